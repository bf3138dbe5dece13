"""Workflows on the practice model: they run at the first click, on any computer, and show each technique beside the picture without it."""

from __future__ import annotations

from ..hosts.diffusers.graph.registry import Registry
from .graph import Graph, Node, Out

GREEN, GREY = "#8A8", "#555"
STEPS, CFG = 16, 4.0


def text_to_image_practice(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    model = model_group(graph, """## The practice model

A tiny text-to-image model that comes with Concord. It draws one or two objects, or a wide scene, in a few seconds on any computer: small enough to \
try every technique on, real enough that each does what it does on large models.

Press **Run**. Then change the words:

- **shape** circle, square, triangle, star, heart, cross
- **colour** red, green, blue, yellow, purple, orange, white, black
- **texture** solid, striped, dotted, sketch
- **place** on the left, on the right, at the top, at the bottom, in the center
- **background** on a blue background
- **wide scenes** mountains, hills, sea, city, forest - at noon, at sunset, at night
- **patterns** blue bricks, green waves, red tiles

Leave words out, and the model chooses: a new *seed* chooses anew.""", (400, 360))
    positive, negative = prompt_group(graph, "a red striped star on the left on a blue background")
    canvas = canvas_group(graph, 128, 128, 4)
    draw_group(graph, "Four pictures", model["model"], positive, negative, canvas, model["vae"], name, seed=1)
    return graph


def controlnet_practice(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    model = model_group(graph, """## ControlNet: pictures that follow an outline

**Practice Scene** draws a heart and gives its outline. The prompt names colours, but no shape and no place.

- **Without**: every picture has a shape of its own, somewhere.
- **With**: all follow the outline of the heart.

Try another shape or place in Practice Scene, *two objects*, a lower *strength*, or *end_percent* 0.4: then only the first part of the run follows \
the outline.""")
    with graph.group("Hint", column=0):
        scene = graph.add("Concord_PracticeScene", shape="heart", colour="red", place="left")
        graph.add("PreviewImage", title="The outline", images=scene["outline"])
    positive, negative = prompt_group(graph, "a yellow solid shape on a blue background")
    canvas = canvas_group(graph, 128, 128, 4)
    with graph.group("ControlNet", column=2, color=GREEN):
        net = graph.add("Concord_LoadPracticeControlNet")
        control = graph.add("Concord_ApplyControlNet", positive=positive, negative=negative, control_net=net, image=scene["outline"])
    draw_group(graph, "Without", model["model"], positive, negative, canvas, model["vae"], f"{name}_without", seed=3)
    draw_group(graph, "With ControlNet", model["model"], control["positive"], control["negative"], canvas, model["vae"], f"{name}_with", seed=3)
    return graph


def style_aligned_practice(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    model = model_group(graph, """## StyleAligned: one style for a whole batch

The prompt names a shape, but no colours.

- **Without**: four pictures, four looks.
- **With**: the first picture is the reference; the others take over its colours and manner. It is the same first picture in both.

Try another *reference*, a *shift* of -0.7 or 0.7, *adain* off, or a new seed.""")
    positive, negative = prompt_group(graph, "a heart")
    canvas = canvas_group(graph, 128, 128, 4)
    with graph.group("StyleAligned", column=2, color=GREEN):
        aligned = graph.add("Concord_StyleAligned", model=model["model"])
    draw_group(graph, "Without", model["model"], positive, negative, canvas, model["vae"], f"{name}_without", seed=2)
    draw_group(graph, "With StyleAligned", aligned, positive, negative, canvas, model["vae"], f"{name}_with", seed=2)
    return graph


def panorama_practice(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    model = model_group(graph, """## MultiDiffusion: a picture wider than the model's own

The practice model was made for 128 x 128 pixels; here it draws 512 x 128.

- **One canvas**: the model looks at all of it at once, as any sampler does.
- **Windows**: it looks at windows of 128 pixels that overlap and agree at every step.

Try *wrap_x* (the right edge goes on at the left), a *stride* of 64 (twice as fast, rougher), or a taller canvas with "blue bricks".""")
    positive, negative = prompt_group(graph, "hills at noon")
    canvas = canvas_group(graph, 512, 128, 1)
    with graph.group("MultiDiffusion", column=2, color=GREEN):
        windows = graph.add("Concord_MultiDiffusion", model=model["model"])
    draw_group(graph, "One canvas", model["model"], positive, negative, canvas, model["vae"], f"{name}_one-canvas", seed=7)
    draw_group(graph, "Windows", windows, positive, negative, canvas, model["vae"], f"{name}_windows", seed=7)
    return graph


def controlnet_style_panorama_practice(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    model = model_group(graph, """## Three techniques on one model

A batch of three panoramas that follow one outline (**ControlNet**), share one style (**StyleAligned**) and are drawn in windows (**MultiDiffusion**).

The order of the nodes does not matter: swap StyleAligned and MultiDiffusion, and the pictures are the same to the last bit. Bypass one (Ctrl+B) and \
the other two go on as before.""")
    with graph.group("Hint", column=0):
        scene = graph.add("Concord_PracticeScene", picture="hills", width=384, height=128, seed=4)
        graph.add("PreviewImage", title="The outline", images=scene["outline"])
    positive, negative = prompt_group(graph, "hills at noon")
    canvas = canvas_group(graph, 384, 128, 3)
    with graph.group("All three", column=2, color=GREEN):
        net = graph.add("Concord_LoadPracticeControlNet")
        control = graph.add("Concord_ApplyControlNet", positive=positive, negative=negative, control_net=net, image=scene["outline"])
        graph.beside()
        aligned = graph.add("Concord_StyleAligned", model=model["model"])
        windows = graph.add("Concord_MultiDiffusion", model=aligned)
    draw_group(graph, "Without", model["model"], positive, negative, canvas, model["vae"], f"{name}_without", seed=4)
    draw_group(graph, "With all three", windows, control["positive"], control["negative"], canvas, model["vae"], f"{name}_with", seed=4)
    return graph


ALL = (text_to_image_practice, controlnet_practice, style_aligned_practice, panorama_practice, controlnet_style_panorama_practice)


def model_group(graph: Graph, text: str, size: tuple[int, int] = (400, 260)) -> Node:
    with graph.group("About", column=-1, color=GREY):
        graph.note("Read me", text, size)
    with graph.group("Model", column=0):
        return graph.add("Concord_LoadPracticeModel")


def prompt_group(graph: Graph, text: str) -> tuple[Node, Node]:
    clip = graph.nodes[1]["clip"]
    with graph.group("Prompt", column=1):
        positive = graph.add("CLIPTextEncode", title="Prompt", text=text, clip=clip)
        return positive, graph.add("CLIPTextEncode", title="Negative prompt (empty)", text="", clip=clip)


def canvas_group(graph: Graph, width: int, height: int, batch: int) -> Node:
    with graph.group("Canvas", column=1):
        return graph.add("EmptyLatentImage", width=width, height=height, batch_size=batch)


def draw_group(graph: Graph, title: str, model: Node | Out, positive: Node | Out, negative: Node | Out, canvas: Node, vae: Out, prefix: str, seed: int) -> None:
    with graph.group(title, column=3):
        latent = graph.add("KSampler", model=model, seed=seed, steps=STEPS, cfg=CFG, sampler_name="dpmpp_2m", scheduler="normal",
                           positive=positive, negative=negative, latent_image=canvas)  # fmt: skip
        graph.beside()
        image = graph.add("VAEDecode", samples=latent, vae=vae)
        graph.add("SaveImage", title=title, images=image, filename_prefix=prefix)
