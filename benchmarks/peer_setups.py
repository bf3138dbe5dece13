"""How each peer is driven: through its own nodes or classes, with the numbers that ours gets."""
from __future__ import annotations

import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from concord.model_loaders.image_adapter import read_image_adapter
from concord.processors.attention.image_prompt import image_prompt
from concord.processors.attention.style_aligned import reference_lane, style_aligned

from .setups import PAIR, SIGMAS, SOURCE, TARGET, Asked, Kit, attached, replaced, windows
from .sizes import PICTURE, adapter_file, noise

TOKENS = 4
HALF, TWICE = "half the overhead", "twice as fast"


@dataclass(frozen=True)
class Peer:
    folder: str  # in PEERS_PATH
    file: str  # which has to be in it
    source: str
    host: str
    technique: str
    ours: Callable[[Kit, Asked], Asked]
    theirs: Callable[[Path, Kit, Asked], Asked]
    images: int = 1
    wide: bool = False
    target: str = ""

    def found(self, path: str) -> bool:
        return bool(path) and (Path(path) / self.folder / self.file).is_file()


def package(file: Path) -> ModuleType:
    """A peer's package, or its one file, under a name of its own."""
    name = "peer_" + "".join(c if c.isalnum() else "_" for c in str(file.parent))
    if name not in sys.modules:
        inside = [str(file.parent)] if file.name == "__init__.py" else None
        spec = spec_from_file_location(name, file, submodule_search_locations=inside)
        assert spec and spec.loader
        sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def node(folder: Path, name: str) -> Any:
    return package(folder / "__init__.py").NODE_CLASS_MAPPINGS[name]()


def our_adapter(kit: Kit, asked: Asked) -> Asked:
    adapter = read_image_adapter(adapter_file(kit.size, TOKENS), "the adapter of both")
    edits = image_prompt(adapter.encode(noise(9, 1, PICTURE)), adapter.nothing(), adapter)
    return kit.host.attach(asked[0], *edits), *asked[1:]


def ip_adapter_plus(folder: Path, kit: Kit, asked: Asked) -> Asked:
    """IPAdapterEmbeds takes what a vision tower said of the picture, and of none."""
    file, said = adapter_file(kit.size, TOKENS), noise(9, 1, PICTURE)
    patched = node(folder, "IPAdapterEmbeds").apply_ipadapter(asked[0], file, said, 1.0, "linear", 0.0, 1.0, neg_embed=torch.zeros_like(said))
    return patched[0], *asked[1:]


def style_aligned_comfy(folder: Path, kit: Kit, asked: Asked) -> Asked:
    """Without its shared norms, which stay in the model for good."""
    return node(folder, "StyleAlignedBatchAlign").patch(asked[0], "disabled", "q+k", 1.0)[0], *asked[1:]


def tiled_diffusion(folder: Path, kit: Kit, asked: Asked) -> Asked:
    """The same windows, all in one call, as ours are."""
    pixels = kit.size.pixels
    return node(folder, "TiledDiffusion").apply(asked[0], "MultiDiffusion", pixels, pixels, pixels // 2, 4)[0], *asked[1:]


class Words:
    """A tokenizer with a token for each word, for the peer's tables; the texts themselves are encoded already."""

    def __init__(self, *texts: str) -> None:
        self.known = ["<start>", *dict.fromkeys(" ".join(texts).split()), "<end>"]

    def encode(self, text: str) -> list[int]:
        return [0, *map(self.known.index, text.split()), len(self.known) - 1]

    def decode(self, tokens: list[int]) -> str:
        return " ".join(self.known[token] for token in tokens)


def diffusers_prompt_to_prompt(folder: Path, kit: Kit, asked: Asked) -> Asked:
    """Its attention processors and its controller, on the same weights in modules of their own, because they stay there."""
    module, model = package(folder / "examples/community/pipeline_prompt2prompt.py"), asked[0]
    shared = {id(tensor): tensor for tensor in (*model.network.parameters(), *model.network.buffers())}
    network = deepcopy(model.network, shared)
    how = {"edit_type": "replace", "n_cross_replace": 1.0, "n_self_replace": 1.0}
    controller = module.create_controller([SOURCE, TARGET], how, len(SIGMAS), Words(SOURCE, TARGET), model.device)
    module.Prompt2PromptPipeline.register_attention_control(SimpleNamespace(unet=network), controller)
    return replace(model, network=network), *asked[1:]


GITHUB = "https://github.com/"
PEERS = (
    Peer("ComfyUI_IPAdapter_plus", "IPAdapterPlus.py", f"{GITHUB}cubiq/ComfyUI_IPAdapter_plus", "comfyui", f"image adapter, {TOKENS} tokens", our_adapter,
         ip_adapter_plus, target=HALF),
    Peer("style_aligned_comfy", "__init__.py", f"{GITHUB}brianfitzgerald/style_aligned_comfy", "comfyui", "StyleAligned",
         attached(lambda kit: style_aligned(), reference_lane()), style_aligned_comfy, images=2),
    Peer("ComfyUI-TiledDiffusion", "tiled_diffusion.py", f"{GITHUB}shiimizu/ComfyUI-TiledDiffusion", "comfyui", "MultiDiffusion", attached(windows),
         tiled_diffusion, wide=True),  # the last one: it changes the host's samplers
    Peer("diffusers", "examples/community/pipeline_prompt2prompt.py", f"{GITHUB}huggingface/diffusers", "headless", "PromptToPrompt, replace",
         attached(replaced, PAIR), diffusers_prompt_to_prompt, images=2, target=TWICE),
)
