"""Training batches: pictures of the world as stored latents, and their captions drawn anew each time."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .drawing import render
from .model import mixed
from .words import UNKNOWN, rows
from .world import Scene, Thing, caption, random_scene

SHARD = 1000  # pictures a file
SHARES = {"one": 0.25, "two": 0.55, "wide": 0.2}  # of each kind in a batch: two objects and wide scenes are harder to learn


@dataclass(frozen=True)
class Batch:
    """latents [B, 4, h, w]; weight [B, 1, h, w], more where objects are, mean 1; the scenes they show."""

    latents: Tensor
    weight: Tensor
    scenes: list[Scene]


@torch.no_grad()
def encode_shards(autoencoder: nn.Module, folder: Path, count: int, device: torch.device, progress: Callable[[str], None] = lambda text: None) -> None:
    """Draw and encode `count` pictures once, as files of 1000 in `folder`; files that exist stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(-(-count // SHARD)):
        path = folder / f"{number:04d}.pt"
        if path.exists():
            continue
        rng = np.random.default_rng(number)
        scenes = [random_scene(rng) for _ in range(min(SHARD, count - number * SHARD))]
        latents, inside = [], []
        for start in range(0, len(scenes), 25):
            some = scenes[start : start + 25]
            pictures = [render(scene) for scene in some]
            images = torch.stack([picture.image for picture in pictures]).to(device) * 2 - 1
            with mixed(device):
                latents.append(autoencoder.encode(images.contiguous(memory_format=torch.channels_last)).latents.half().cpu())
            inside += [_inside(picture.masks if scene.wide is None else picture.masks[:0]) for picture, scene in zip(pictures, some, strict=True)]
        torch.save({"latents": torch.cat(latents), "inside": torch.stack(inside), "scenes": scenes}, path.with_suffix(".part"))
        os.replace(path.with_suffix(".part"), path)
        progress(f"latents: {min((number + 1) * SHARD, count)} of {count}")


def _inside(masks: Tensor) -> Tensor:
    """Which latent cells show an object or touch one [h, w], from pixel masks [n, y, x]."""
    seen = masks.amax(0) if len(masks) else torch.zeros(masks.shape[1:])
    return F.max_pool2d(F.max_pool2d(seen[None, None], 8), 3, 1, 1)[0, 0].bool()


class Shards:
    """The stored pictures; more files may appear while training runs."""

    def __init__(self, folder: Path, device: torch.device, emphasis: float = 2.0) -> None:
        self.folder, self.device, self.emphasis = folder, device, emphasis
        self.names: set[str] = set()
        self.latents, self.inside = torch.empty(0), torch.empty(0)
        self.scenes: list[Scene] = []
        self.kinds: dict[str, list[int]] = {kind: [] for kind in SHARES}
        self.refresh()

    def refresh(self) -> None:
        for path in sorted(self.folder.glob("*.pt")):
            if path.name not in self.names:
                with torch.serialization.safe_globals([Scene, Thing]):
                    shard = torch.load(path, weights_only=True)
                self.latents = torch.cat([self.latents, shard["latents"]]) if self.names else shard["latents"]
                self.inside = torch.cat([self.inside, shard["inside"]]) if self.names else shard["inside"]
                for number, scene in enumerate(shard["scenes"], start=len(self.scenes)):
                    self.kinds["wide" if scene.wide else ("one", "two")[len(scene.things) - 1]].append(number)
                self.scenes += shard["scenes"]
                self.names.add(path.name)

    def draw(self, rng: np.random.Generator, batch: int) -> Batch:
        shares = np.array([share if self.kinds[kind] else 0.0 for kind, share in SHARES.items()])
        kinds = rng.choice(list(SHARES), batch, p=shares / shares.sum())
        picked = [self.kinds[kind][rng.integers(len(self.kinds[kind]))] for kind in kinds]
        weight = 1 + self.emphasis * self.inside[picked][:, None].float()
        weight = weight / weight.mean((2, 3), keepdim=True)
        return Batch(self.latents[picked].float().to(self.device), weight.to(self.device), [self.scenes[i] for i in picked])


def token_rows(
    scenes: list[Scene], rng: np.random.Generator, drop: float = 0.2, style: float | None = None, empty: float = 0.1, strange: float = 0.1
) -> Tensor:
    """Captions as rows [B, 77]: each attribute left out with chance `drop` (colours, textures, backgrounds: `style`), the whole caption with
    `empty`; in a share `strange` of them unknown words are strewn in, so that the model learns to pass over words it does not know."""
    out = []
    for scene in scenes:
        row = rows("" if rng.random() < empty else caption(scene, drop, rng, style))
        if rng.random() < strange:
            for _ in range(rng.integers(1, 6)):
                row.insert(int(rng.integers(1, row.index(1) + 1)), UNKNOWN)
        out.append(row[:77])
    return torch.tensor(out)
