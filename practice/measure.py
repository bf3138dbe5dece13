"""Measure the practice model: python -m concord.practice.measure [--prompts 500] [--weights DIR]

Fixed seeds, 128 px, 25 steps, guidance 4. Two fifths of the prompts ask for two objects; "new" combinations were never seen in training.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from . import model
from .adapter import ImageAdapter, load_image_adapter, prepare
from .drawing import render
from .judge import Judge
from .sampling import Denoiser, Sampler, decode, told
from .scores import overlap, scenes_to_test, score
from .world import PHRASES, SHAPES, Scene, caption

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
        with model.mixed(noisy.device):
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


def ceiling(autoencoder: nn.Module, scenes: list[Scene]) -> Tensor:
    """True renders through the autoencoder: the best that any model on these latents can draw."""
    with torch.no_grad():
        truth = torch.stack([render(scene).image for scene in scenes])
        return torch.cat([decode(autoencoder, autoencoder.encode(part * 2 - 1).latents) for part in truth.split(BATCH)])


def measure_text(parts: Model, judge: Judge, count: int, sampler: Sampler) -> dict[str, dict[str, float]]:
    """Ceiling, prompts of known combinations, and prompts of combinations that training never showed."""
    scenes, new = scenes_to_test(count, 0.4), scenes_to_test(max(count // 10, 20), 0.0, held_out=True)
    return {
        "ceiling": score(ceiling(parts.autoencoder, scenes), scenes, judge),
        "model": score(parts.draw([caption(scene) for scene in scenes], sampler), scenes, judge),
        "new combinations": score(parts.draw([caption(scene) for scene in new], sampler), new, judge),
    }


def measure_controlnet(parts: Model, judge: Judge, control: nn.Module, count: int, sampler: Sampler) -> dict[str, dict[str, float]]:
    """Overlap of the drawn objects with the hint's masks, and the prompt's colours, without and with the hint.

    Objects are solid (a sketch has no inside to overlap) and captions leave out their places, which only the hint knows.
    """
    scenes = [replace(s, things=tuple(replace(t, texture="solid") for t in s.things)) for s in scenes_to_test(count, 0.4, seed=78_000)]
    masks = torch.stack([render(scene).masks.amax(0) for scene in scenes])
    outlines = torch.stack([render(scene).outline for scene in scenes])[:, None].repeat(1, 3, 1, 1)
    prompts = [_without_places(caption(scene)) for scene in scenes]

    def controlled(first: int, size: int) -> Denoiser:
        hint = outlines[first : first + size].repeat(2, 1, 1, 1)

        def denoise(noisy: Tensor, steps: Tensor, states: Tensor) -> Tensor:
            with model.mixed(noisy.device):
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
    references = scenes_to_test(count, 0.0, seed=79_000)
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
            with model.mixed(noisy.device):
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
    say = partial(print, flush=True)
    few = max(chosen.prompts // 5, 10)
    if chosen.only in (None, "text"):
        say(table("text", measure_text(parts, judge, chosen.prompts, sampler)))
    if chosen.only in (None, "controlnet") and (chosen.weights / "controlnet.safetensors").exists():
        say(table("ControlNet", measure_controlnet(parts, judge, model.load_controlnet(chosen.weights), few, sampler)))
    if chosen.only in (None, "adapter") and (chosen.weights / "image_adapter.safetensors").exists():
        vision, adapter = model.load_vision(chosen.weights), load_image_adapter(chosen.weights)
        say(table("image adapter", measure_adapter(parts, judge, vision, adapter, few, sampler)))


if __name__ == "__main__":
    main()
