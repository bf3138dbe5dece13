"""Every editing technique as an artist sets it up, through its nodes, on a model and a text encoder that are handed in: the same in every host."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from concord.nodes.attention_maps import AttentionMaps
from concord.nodes.feature_adain import FeatureAdaIN
from concord.nodes.masactrl import MasaCtrl
from concord.nodes.null_text import NullText
from concord.nodes.prompt_to_prompt import PromptToPrompt
from concord.nodes.style_aligned import StyleAligned
from concord.processors.errors import ConcordError
from torch import Tensor

SOURCE, SWAPPED, LONGER = "a red circle", "a green circle", "a solid red circle on the left"
BANK = ("StyleAligned, a real picture", "PromptToPrompt, a real picture", "MasaCtrl, a real picture", "Null-text", "Negative-prompt inversion")
NAMES = ("StyleAligned", "StyleAligned, everyone", "FeatureAdaIN", "FeatureAdaIN, outputs", "PromptToPrompt", "PromptToPrompt, blended", "MasaCtrl, union",
         "MasaCtrl, words", "AttentionMaps", *BANK)
FOLLOWED = ("PromptToPrompt, blended", *BANK)  # those that change the canvas between steps
PAIRS = tuple(name for name in NAMES if name.startswith(("PromptToPrompt", "MasaCtrl")) or name in BANK[-2:])

CFG = 3.0


class Setup(NamedTuple):
    """What a sampler gets."""

    model: Any
    positive: list
    negative: list
    latent: dict[str, Any]
    cfg: float = CFG


class Parts(NamedTuple):
    """What setups are made of. size: of the canvas, in latent cells."""

    host: Any
    model: Any
    clip: Any
    size: tuple[int, int] = (8, 12)
    steps: int = 2
    scheduler: str = "normal"

    def told(self, text: str) -> list:
        return self.host.encode_prompt(self.clip, text)

    def picture(self) -> dict[str, Tensor]:
        return {"samples": 0.6 * torch.randn(1, 4, *self.size, generator=torch.Generator().manual_seed(3))}

    def bank(self) -> Any:
        return self.host.invert(self.model, self.picture(), self.told(SOURCE), self.told(""), self.steps, self.scheduler)


def setup(name: str, parts: Parts) -> Setup:
    """One of NAMES."""
    model, clip, bank = parts.model, parts.clip, parts.bank() if name in BANK else None
    one, batch = ({"samples": torch.zeros(pictures, 4, *parts.size)} for pictures in (1, 2))
    plain = lambda model: Setup(model, parts.told(SOURCE), parts.told(""), batch)
    changed = lambda made: Setup(made[0], made[1], parts.told(""), made[2])
    mask = torch.ones(1, 8 * parts.size[0], 8 * parts.size[1]).tril()

    def prompt_to_prompt(targets=SWAPPED, mode="replace", model=model, **how) -> Setup:
        return changed(PromptToPrompt.execute(model, clip, one, SOURCE, targets, mode, "default:0-0.8", 0.0, 0.5, "all", bank=bank, **how).args)

    def masactrl(variant: str, **how) -> Setup:
        return changed(MasaCtrl.execute(model, parts.told(SOURCE), parts.told(LONGER), one, variant, 0.0, 1.0, "both", "0-2", bank=bank, **how).args)

    if name.startswith("StyleAligned"):
        how = {"share_group_norm": True, "full_sharing": name.endswith("everyone"), "bank": bank}
        return plain(StyleAligned.execute(model, True, "queries and keys", 1.0, 0.5, 0, 0.0, 1.0, **how).args[0])
    if name.startswith("FeatureAdaIN"):
        features, masks = ("output of both attentions", {"mask": mask}) if "outputs" in name else ("values", {})
        return plain(FeatureAdaIN.execute(model, features, "mean and deviation", 0.8, 0, 0.0, 1.0, **masks).args[0])
    if name == "PromptToPrompt, blended":
        return prompt_to_prompt(LONGER, "refine", blend_words="circle", blend_start=0.0)
    if name.startswith("PromptToPrompt"):
        return prompt_to_prompt()
    if name == "MasaCtrl, words":
        return masactrl("words", clip=clip, source_text=SOURCE, target_text=LONGER, source_words="circle")
    if name.startswith("MasaCtrl"):
        return masactrl("union") if bank is None else masactrl("masks", source_mask=mask, target_mask=mask.flip(-1))
    if name == "AttentionMaps":
        return plain(AttentionMaps.execute(model, clip, SOURCE, "red, circle", 0.0, 1.0).args[0])
    method = "null-text optimisation" if name == "Null-text" else "source prompt as negative"
    heard = NullText.execute(model, parts.told(SOURCE), parts.told(""), bank, CFG, method, 2, "source and targets", "recompute").args[0]
    return prompt_to_prompt(model=heard)


def outcome(work: Callable[[], Tensor]) -> str:
    """"" where a run ends with finite pictures, else the refusal, or what went wrong."""
    try:
        made = work()
    except ConcordError as error:
        return str(error)
    return "" if made.isfinite().all() else "NOT FINITE"
