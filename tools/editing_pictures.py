"""Pictures of the help pages of nodes that edit: before and after, on the practice model."""

from __future__ import annotations

from typing import Any

import torch

from ..hosts.diffusers.sample import sample
from ..nodes.ddim_inversion import DDIMInversion
from ..nodes.decoupled_prompt import DecoupledPrompt
from ..nodes.feature_adain import FeatureAdaIN
from ..nodes.latent_adain import LatentAdaIN
from ..nodes.null_text import NullText
from ..nodes.practice_scene import PracticeScene
from ..nodes.prompt_per_picture import PromptPerPicture
from ..practice.studio import Studio
from .sheets import Picture, column, row, to_picture

STEPS, CFG = 16, 4.0


def scene(**choices: Any) -> torch.Tensor:
    """The picture of Practice Scene for these inputs, [1, y, x, 3] 0..1."""
    defaults = {i.id: i.default for i in PracticeScene.define_schema().inputs}
    return PracticeScene.execute(**(defaults | choices)).args[0]


def side_by_side(images: torch.Tensor) -> Picture:
    """[n, 3, y, x] 0..1"""
    return row([to_picture(image[None].movedim(1, -1)) for image in images])


def inverted() -> dict[str, Picture]:
    """A picture, its noise, and what comes back of it: as it is, at a cfg for edits, and with the negative prompts of NullText."""
    studio = Studio(steps=STEPS)
    vae, image = studio.parts[2], scene(shape="heart", colour="red", texture="solid", place="right", background="blue")
    said = studio.encode("a red solid heart on the right on a blue background")
    latent = {"samples": vae.encode(image)}
    noise, bank, back, *_ = DDIMInversion.execute(studio.model, said, studio.empty, latent, STEPS, "normal", 1.0, "target of the step").args
    fixed = NullText.execute(studio.model, said, studio.empty, bank, CFG, "source prompt as negative", 10, "source and targets", "recompute").args[0]
    drawn = [sample(model, 1, STEPS, CFG, "euler", "normal", said, studio.empty, noise, add_noise=False) for model in (studio.model, fixed)]
    show = lambda latent: to_picture(vae.decode(latent["samples"])[:1])
    original, returned = to_picture(image), show(back)
    span = noise["samples"] / noise["samples"].abs().max()
    return {"way": row([original, show({"samples": span}), returned]), "returns": row([original, *(show(latent) for latent in drawn)])}


def aligned() -> Picture:
    """A batch of one prompt, and below it the same with the values of the first picture's features."""
    studio = Studio(steps=STEPS)
    model = FeatureAdaIN.execute(studio.model, "values", "mean and deviation", 1.0, 0, 0.0, 1.0).args[0]
    return column([side_by_side(studio.draw(m, studio.encode("a heart"), samples=4, seed=2)) for m in (studio.model, model)])


def toned() -> Picture:
    """A picture, a reference, and the picture with the reference's colours and contrast."""
    vae = Studio().parts[2]
    pictures = [scene(picture="hills", light="noon"), scene(picture="sea", light="sunset")]
    latents = [{"samples": vae.encode(picture)} for picture in pictures]
    changed = LatentAdaIN.execute(*latents, "mean and deviation", 1.0).args[0]
    return row([*(to_picture(picture) for picture in pictures), to_picture(vae.decode(changed["samples"]))])


def one_each() -> Picture:
    """A batch with a prompt for each picture."""
    studio = Studio(steps=STEPS)
    told = PromptPerPicture.execute(studio.parts[1], {"samples": torch.zeros(3, 4, 16, 16)}, "a red circle\na green star\na yellow square").args[0]
    return side_by_side(studio.draw(studio.model, told, samples=3, seed=4))


def second_prompt() -> Picture:
    """Four pictures of one prompt, and below them the same four with a second one beside it."""
    studio = Studio(steps=16)
    said, second = studio.encode("a shape on a blue background"), studio.encode("a red star")
    models = (studio.model, DecoupledPrompt.execute(studio.model, second, 1.0, 0.0, 1.0).args[0])
    return column([side_by_side(studio.draw(model, said, samples=4, seed=4)) for model in models])
