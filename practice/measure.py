"""Measure the practice model: python -m concord.practice.measure [--prompts 500] [--weights DIR]

Fixed seeds, 128 px, 25 steps, guidance 4. Two fifths of the prompts ask for two objects; "new" combinations were never seen in training.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from . import model
from .adapter import ImageAdapter, load_image_adapter, prepare
from .drawing import render
from .judge import Judge, background, find_all, foreground, is_picture
from .sampling import Denoiser, Sampler, decode, told
from .world import PHRASES, SHAPES, Scene, caption, random_scene

BATCH = 25


@dataclass(frozen=True)
class Model:
    """The parts that draw."""

    unet: nn.Module
    text: nn.Module
    autoencoder: nn.Module

    @classmethod
    def load(cls, folder: Path = model.WEIGHTS) -> Model:
        return cls(model.load_unet(folder), model.load_text_encoder(folder), model.load_autoencoder(folder))

    def denoise(self, noisy: Tensor, steps: Tensor, states: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return self.unet(noisy, steps, states).sample

    def draw(self, prompts: list[str], sampler: Sampler, denoise: Callable | None = None) -> Tensor:
        """Pictures [n, 3, 128, 128] 0..1."""
        out = []
        for first in range(0, len(prompts), BATCH):
            part = prompts[first : first + BATCH]
            each = denoise(first, len(part)) if denoise else self.denoise
            states, empty = told(self.text, part), told(self.text, [""] * len(part))
            out.append(decode(self.autoencoder, sampler.run(each, sampler.noise(first, len(part), (128, 128)), states, empty)))
        return torch.cat(out)


def test_scenes(count: int, two: float, held_out: bool | None = False, seed: int = 77_000) -> list[Scene]:
    """Scenes of the test prompts: other seeds than training's."""
    return [random_scene(seed + n, two=two, wide=0.0, held_out=held_out) for n in range(count)]


def score(images: Tensor, scenes: list[Scene], judge: Judge) -> dict[str, float]:
    """Shares of pictures that show what their scene asks for; with two objects, both must be right."""
    hits: dict[str, list[bool]] = {}
    cuts, owners = [], []
    for number, (image, scene) in enumerate(zip(images, scenes)):
        seen = find_all(image, scene) if is_picture(image) else [None] * len(scene.things)
        for thing, one in zip(scene.things, seen):
            owners.append((number, thing, one))
            if one is not None:
                cuts.append(one.cut)
    named = iter(judge.names(cuts))
    right: dict[int, list[tuple[bool, ...]]] = {}
    for number, thing, one in owners:
        shape, texture, colour = next(named) if one is not None else ("", "", "")
        place = one is not None and (len(scenes[number].things) == 2 or one.place == thing.place)
        right.setdefault(number, []).append((place, colour == thing.colour, texture == thing.texture, shape == thing.shape))
    for number, scene in enumerate(scenes):
        hits.setdefault("background", []).append(is_picture(images[number]) and background(images[number])[0] == scene.background)
        prefix = "two-object " if len(scene.things) == 2 else ""
        for name, values in zip(("position", "colour", "texture", "shape"), zip(*right[number])):
            hits.setdefault(prefix + name, []).append(all(values))
    return {name: float(np.mean(values)) for name, values in hits.items()}


def overlap(images: Tensor, masks: Tensor) -> float:
    """Mean intersection over union of what stands out from the background with masks [n, y, x]."""
    shares = []
    for image, mask in zip(images, masks):
        found = foreground(image) if is_picture(image) else torch.zeros_like(mask, dtype=torch.bool)
        shares.append(float((found & mask.bool()).sum() / (found | mask.bool()).sum().clamp(min=1)))
    return float(np.mean(shares))


def ceiling(autoencoder: nn.Module, scenes: list[Scene]) -> Tensor:
    """True renders through the autoencoder: the best that any model on these latents can draw."""
    with torch.no_grad():
        truth = torch.stack([render(scene).image for scene in scenes])
        return torch.cat([decode(autoencoder, autoencoder.encode(part * 2 - 1).latents) for part in truth.split(BATCH)])


def measure_text(parts: Model, judge: Judge, count: int, sampler: Sampler) -> dict[str, dict[str, float]]:
    """Ceiling, prompts of known combinations, and prompts of combinations that training never showed."""
    scenes, new = test_scenes(count, 0.4), test_scenes(max(count // 10, 20), 0.0, held_out=True)
    return {
        "ceiling": score(ceiling(parts.autoencoder, scenes), scenes, judge),
        "model": score(parts.draw([caption(scene) for scene in scenes], sampler), scenes, judge),
        "new combinations": score(parts.draw([caption(scene) for scene in new], sampler), new, judge),
    }


def measure_controlnet(parts: Model, judge: Judge, control: nn.Module, count: int, sampler: Sampler) -> dict[str, dict[str, float]]:
    """Overlap of the drawn objects with the hint's masks, and the prompt's colours, without and with the hint.

    Objects are solid (a sketch has no inside to overlap) and captions leave out their places, which only the hint knows.
    """
    scenes = [replace(s, things=tuple(replace(t, texture="solid") for t in s.things)) for s in test_scenes(count, 0.4, seed=78_000)]
    masks = torch.stack([render(scene).masks.amax(0) for scene in scenes])
    outlines = torch.stack([render(scene).outline for scene in scenes])[:, None].repeat(1, 3, 1, 1)
    prompts = [_without_places(caption(scene)) for scene in scenes]

    def controlled(first: int, size: int) -> Denoiser:
        hint = outlines[first : first + size].repeat(2, 1, 1, 1)

        def denoise(noisy: Tensor, steps: Tensor, states: Tensor) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                down, middle = control(noisy, steps, states, hint, return_dict=False)
                return parts.unet(noisy, steps, states, down_block_additional_residuals=down, mid_block_additional_residual=middle).sample

        return denoise

    out = {}
    for name, images in (
        ("ceiling", ceiling(parts.autoencoder, scenes)),
        ("without hint", parts.draw(prompts, sampler)),
        ("with hint", parts.draw(prompts, sampler, controlled)),
    ):
        kept = score(images, scenes, judge)
        out[name] = {"mask overlap": overlap(images, masks), "colour": kept["colour"], "background": kept["background"], "shape": kept["shape"]}
    return out


def measure_adapter(parts: Model, judge: Judge, vision: nn.Module, adapter: ImageAdapter, count: int, sampler: Sampler) -> dict[str, dict[str, float]]:
    """How often colour, texture and background of a reference arrive when the prompt names another shape and nothing else."""
    references = test_scenes(count, 0.0, seed=79_000)
    wanted = [replace(s, things=(replace(s.things[0], shape=SHAPES[(SHAPES.index(s.things[0].shape) + 1 + n % 5) % 6]),)) for n, s in enumerate(references)]
    prompts = [f"a {scene.things[0].shape}" for scene in wanted]
    with torch.no_grad():
        images = torch.stack([render(scene).image for scene in references])
        embeddings = vision(prepare(images)).image_embeds
        tokens, nothing = adapter.image_proj(embeddings), adapter.image_proj(torch.zeros_like(embeddings))
    plain = parts.draw(prompts, sampler)
    unet = copy.deepcopy(parts.unet)
    adapter.attach(unet)

    def shown(first: int, size: int) -> Denoiser:
        image = torch.cat([tokens[first : first + size], nothing[first : first + size]])

        def denoise(noisy: Tensor, steps: Tensor, states: Tensor) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                return unet(noisy, steps, torch.cat([states, image], 1)).sample

        return denoise

    return {
        name: {key: value for key, value in score(pictures, wanted, judge).items() if key != "position"}
        for name, pictures in (("without reference", plain), ("with reference", parts.draw(prompts, sampler, shown)))
    }


def _without_places(text: str) -> str:
    for phrase in PHRASES.values():
        text = text.replace(f" {phrase}", "")
    return text


def table(title: str, rows: dict[str, dict[str, float]]) -> str:
    """A markdown table: one row per case."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines = [f"| {title} | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for case, row in rows.items():
        lines.append(f"| {case} | " + " | ".join(f"{row[name]:.3f}" if name in row else "" for name in names) + " |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m concord.practice.measure", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--weights", type=Path, default=model.WEIGHTS)
    parser.add_argument("--only", choices=("text", "controlnet", "adapter"))
    chosen = parser.parse_args(arguments)
    parts, judge, sampler = Model.load(chosen.weights), Judge.load(chosen.weights), Sampler(chosen.steps)
    few = max(chosen.prompts // 5, 10)
    if chosen.only in (None, "text"):
        print(table("text", measure_text(parts, judge, chosen.prompts, sampler)), flush=True)
    if chosen.only in (None, "controlnet") and (chosen.weights / "controlnet.safetensors").exists():
        print(table("ControlNet", measure_controlnet(parts, judge, model.load_controlnet(chosen.weights), few, sampler)), flush=True)
    if chosen.only in (None, "adapter") and (chosen.weights / "image_adapter.safetensors").exists():
        vision, adapter = model.load_vision(chosen.weights), load_image_adapter(chosen.weights)
        print(table("image adapter", measure_adapter(parts, judge, vision, adapter, few, sampler)), flush=True)


if __name__ == "__main__":
    main()
