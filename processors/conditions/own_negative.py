"""A negative prompt for every step and every lane: what null-text inversion, or any other technique, wrote for it."""
from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from math import isclose

from torch import Tensor

from ..edit import ConditionEdit, feed
from ..errors import ConcordError
from ..latents.bank import pictures
from ..rows import Row
from ..run import Run, Step


@dataclass(frozen=True, eq=False)
class NegativeTexts:
    """texts [T, B, M, C]: what the negative says of each of B pictures (or of all: B 1) in each of T steps; T 1 and no sigmas: in all of them."""

    texts: Tensor
    sigmas: tuple[float, ...] = ()  # at which each step begins
    cfg: float | None = None  # that they were made for
    pooled: Tensor | None = None  # [B, P], of SDXL
    weights: str = ""  # a digest of the model's

    @cached_property
    def id(self) -> str:
        digest = hashlib.sha256()
        feed(digest, (self.texts, self.sigmas, self.cfg, self.pooled, self.weights))
        return digest.hexdigest()[:16]

    def at(self, sigma: float) -> Tensor:
        """[B, M, C] for the step that begins at a noise level."""
        if not self.sigmas:
            return self.texts[0]
        found = next((i for i, s in enumerate(self.sigmas) if isclose(s, sigma, rel_tol=1e-5)), None)
        if found is None:
            raise ConcordError(f"null-text was made for {len(self.sigmas)} steps from noise level {self.sigmas[0]:.4g}, and none of them begins "
                               f"at {sigma:.4g}; give the sampler the steps and the scheduler of the inversion, and denoise 1"
                               " (the samplers dpm_2 and dpm_2_ancestral go over other levels)")
        return self.texts[found]


@dataclass(frozen=True, eq=False, kw_only=True)
class OwnNegative(ConditionEdit):
    """The pictures of these lanes hear their own negative prompt."""

    technique = "Null-text"
    order = 3  # after schedules and directions
    owns = frozenset({"negative prompt"})
    branches: frozenset[str] | None = frozenset({"negative"})

    texts: NegativeTexts
    lanes: frozenset[str] | None = None  # None: all

    def takes(self, row: Row) -> bool:
        return (self.lanes is None or row.lane in self.lanes) and super().takes(row)

    def begins(self, run: Run) -> None:
        made = self.texts
        if made.cfg is not None and run.cfg is not None and not isclose(made.cfg, run.cfg, rel_tol=1e-3):  # at cfg 1 no negative is asked
            raise ConcordError(f"null-text was made for cfg {made.cfg:g}, this run has cfg {run.cfg:g}; give both the same")

    def say(self, text: Tensor, step: Step) -> Tensor:
        takers = step.where(self)
        if not takers:
            return text
        self.check(step)
        own = self.texts.at(step.run.sigmas[step.number] if self.texts.sigmas else 0.0)
        length = own.shape[1]
        if other := next((step.rows[i].tokens for i in takers if step.rows[i].tokens not in (None, length)), None) or text.shape[1] % length and text.shape[1]:
            raise ConcordError(f"the negative prompt has {other} tokens, its replacement by null-text {length}; "
                               "make both prompts equally long (75 words' pieces are one part of 77 tokens), with the same negative prompt in both nodes")
        changed = text.clone()
        changed[list(takers)] = own[self.places(takers, step)].repeat(1, text.shape[1] // length, 1).to(text)
        return changed

    def say_pooled(self, pooled: Tensor, step: Step) -> Tensor:
        takers = step.where(self)
        if not takers or self.texts.pooled is None:
            return pooled
        changed = pooled.clone()
        changed[list(takers)] = self.texts.pooled[self.places(takers, step)].to(pooled)
        return changed

    def places(self, takers: tuple[int, ...], step: Step) -> list[int]:
        return pictures(self.texts.texts.shape[1], [step.rows[i].sample for i in takers], step.run)

    def check(self, step: Step) -> None:
        run, made = step.run, self.texts
        if made.weights and (weights := run.weights()) and weights != made.weights:
            raise ConcordError("null-text was made with other weights than this run has (another checkpoint, or other LoRAs); make it with this model")


def own_negative(texts: NegativeTexts, also_targets: bool = False) -> OwnNegative:
    """The edit: sources, references and plain pictures hear `texts`; targets only if asked for."""
    return OwnNegative(texts=texts, lanes=None if also_targets else frozenset({"source", "reference", "plain"}))
