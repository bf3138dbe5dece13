"""Practice workflows of space: regions with prompts and with words, a scene without an end, a picture drawn finer, and five techniques on one model."""

from __future__ import annotations

import json

from ..hosts.diffusers.graph.registry import Registry
from .graph import Graph, Node
from .practice_workflows import GREEN, STEPS, canvas_group, draw_group, model_group, prompt_group

GROUND = "on a blue background"
THINGS = {f"a red solid circle on the left {GROUND}": [0.0, 0.0, 0.5, 1.0], f"a green solid star on the right {GROUND}": [0.5, 0.0, 1.0, 1.0]}


def two_region_poster_practice(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    model = model_group(
        graph,
        """## Two regions, two prompts

**Regions** holds two boxes: draw, move and stretch them in the node. Each has a prompt of its own; the main prompt says only that there are two shapes.

- **Without**: shapes and colours as they come.
- **Region prompts**: each part of the picture reads the prompt of its box. No colour goes to the wrong thing.
- **MultiDiffusion Regions**: each region is drawn by itself and averaged with the rest at every step. Slower, and the surest.

Swap the boxes, or try *base_ratio* 0.5: then the main prompt has a say inside the boxes, too.""",
        (400, 340),
    )
    text = f"a solid shape on the left and a solid shape on the right {GROUND}"
    positive, negative = prompt_group(graph, text)
    canvas = canvas_group(graph, 128, 128, 4)
    regions = regions_group(graph, [{"box": box, "prompt": thing} for thing, box in THINGS.items()])
    with graph.group("Region prompts", column=2, color=GREEN):
        guided = graph.add("Concord_RegionGuidance", model=model["model"], clip=model["clip"], text=text, regions=regions["regions"])
    with graph.group("Each region by itself", column=2, color=GREEN):
        ground = graph.add("CLIPTextEncode", title="Background", text="a blue background", clip=model["clip"])
        graph.beside()
        each = graph.add("Concord_MultiDiffusionRegions", model=model["model"], positive=ground, negative=negative, regions=regions["regions"],
                         bootstrap_percent=0.0, clip=model["clip"], vae=model["vae"])  # fmt: skip
    draw_group(graph, "Without", model["model"], positive, negative, canvas, model["vae"], f"{name}_without", seed=3)
    draw_group(graph, "With region prompts", guided, positive, negative, canvas, model["vae"], f"{name}_with", seed=3)
    draw_group(graph, "MultiDiffusion Regions", each["model"], each["positive"], each["negative"], canvas, model["vae"], f"{name}_each", seed=3)
    return graph


def layout_from_boxes_practice(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    text = f"a red solid circle {GROUND}"
    model = model_group(
        graph,
        """## Words in their boxes

The prompt does not say where the circle is; a box does, and names words of the prompt.

- **Without**: it stands where it likes.
- **Backward guidance**: before each of the first steps the picture is moved, by the gradient of a loss, until the words are looked at in the box.
- **Paint with words**: the words are looked at more inside of the box. No gradients, hardly any cost.

Move the box, or try *BoxDiff*. This small model needs the *layers* that see many places; large ones take the authors' (leave it empty).""",
        (400, 320),
    )
    positive, negative = prompt_group(graph, text)
    canvas = canvas_group(graph, 128, 128, 4)
    regions = regions_group(graph, [{"box": [0.45, 0.45, 0.95, 0.95], "words": "red solid circle"}])
    asked = {"model": model["model"], "clip": model["clip"], "text": text, "regions": regions["regions"]}
    with graph.group("Region guidance", column=2, color=GREEN):
        moved = graph.add("Concord_RegionGuidance", title="Backward guidance", **asked, mode="backward guidance", end_percent=0.5, iterations=2,
                          layers="0, 1, 13-15")  # fmt: skip
        graph.beside()
        painted = graph.add("Concord_RegionGuidance", title="Paint with words", **asked, mode="paint with words", strength=4.0, outside=0.5)
    draw_group(graph, "Without", model["model"], positive, negative, canvas, model["vae"], f"{name}_without", seed=3)
    draw_group(graph, "Backward guidance", moved, positive, negative, canvas, model["vae"], f"{name}_backward", seed=3)
    draw_group(graph, "Paint with words", painted, positive, negative, canvas, model["vae"], f"{name}_painted", seed=3)
    return graph


def all_around_practice(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    model = model_group(
        graph,
        """## A scene all around

With *wrap_x* windows go on over the right edge at the left: the two ends meet, as in a panorama of 360 degrees.

The last two pictures are its right half and its left half: the right end of the first goes on at the left end of the second.

*wrap_x* and *wrap_y* together make tiles: "blue bricks" on a canvas of 256 x 256.""",
    )
    positive, negative = prompt_group(graph, "hills at noon")
    canvas = canvas_group(graph, 512, 128, 1)
    with graph.group("MultiDiffusion", column=2, color=GREEN):
        windows = graph.add("Concord_MultiDiffusion", model=model["model"], wrap_x=True, fusion="cosine")
    draw_group(graph, "All around", windows, positive, negative, canvas, model["vae"], f"{name}_scene", seed=5)
    image = next(node for node in reversed(graph.nodes) if node.kind and node.kind.id == "VAEDecode")
    with graph.group("The two halves", column=4):
        halves = [graph.add("ImageCrop", title=title, image=image, width=256, height=128, x=x, y=0) for title, x in (("Right half", 256), ("Left half", 0))]
        graph.beside()
        graph.add("SaveImage", title="The halves", images=graph.add("ImageBatch", image1=halves[0], image2=halves[1]), filename_prefix=f"{name}_halves")
    return graph


def tiled_refine_practice(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    model = model_group(
        graph,
        """## Drawn once more, finer

A small picture is enlarged to four times the model's size, and drawn once more in windows of the model's own size, each following the outlines of its part.

- **Enlarged**: soft.
- **Refined**: sharp edges again; what was there stays there, because **ControlNet**'s outlines are cropped with every window.

More *denoise* draws more anew; *cosine* fusion leaves no seam at a wide *stride*.""",
    )
    with graph.group("The picture", column=0):
        objects = {"shape": "star", "colour": "yellow", "place": "left", "second_shape": "heart", "second_colour": "red"}
        scene = graph.add("Concord_PracticeScene", picture="two objects", **objects)
        graph.beside()
        small = graph.add("ImageScale", title="Small", image=scene["image"], upscale_method="area", width=48, height=48, crop="disabled")
        large = graph.add("ImageScale", title="Enlarged", image=small, upscale_method="bicubic", width=512, height=512, crop="disabled")
        outlines = graph.add("ImageScale", title="Outlines", image=scene["outline"], upscale_method="bilinear", width=512, height=512, crop="disabled")
        graph.add("SaveImage", title="Enlarged", images=large, filename_prefix=f"{name}_enlarged")
    positive, negative = prompt_group(graph, "")
    with graph.group("Windows that follow outlines", column=2, color=GREEN):
        net = graph.add("Concord_LoadPracticeControlNet")
        control = graph.add("Concord_ApplyControlNet", positive=positive, negative=negative, control_net=net, image=outlines, strength=0.7)
        graph.beside()
        windows = graph.add("Concord_MultiDiffusion", model=model["model"], stride=96, fusion="cosine")
    with graph.group("Refined", column=3):
        latent = graph.add("VAEEncode", pixels=large, vae=model["vae"])
        drawn = graph.add("KSampler", model=windows, seed=1, steps=STEPS, cfg=1.0, sampler_name="dpmpp_2m", scheduler="normal", positive=control["positive"],
                          negative=control["negative"], latent_image=latent, denoise=0.3)  # fmt: skip
        graph.beside()
        graph.add("SaveImage", title="Refined", images=graph.add("VAEDecode", samples=drawn, vae=model["vae"]), filename_prefix=f"{name}_refined")
    return graph


def five_techniques_practice(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    text = "a shape on the left and a shape on the right"
    model = model_group(
        graph,
        """## Five techniques on one model

Three wide pictures that follow one outline (**ControlNet**), take their colours from a picture (**image prompt**), share one style (**StyleAligned**), have \
stripes on the left and dots on the right (**Region Guidance**), and are drawn in windows (**MultiDiffusion**).

Put the nodes in any other order: the pictures are the same to the last bit. Bypass one (Ctrl+B), and the other four go on as before.""",
    )
    with graph.group("Hint and reference", column=0):
        scene = graph.add("Concord_PracticeScene", title="Outline", picture="two objects", shape="heart", place="left", second_shape="star", width=256)
        graph.beside()
        look = graph.add("Concord_PracticeScene", title="Reference", shape="circle", colour="purple", texture="solid", background="yellow")
    positive, negative = prompt_group(graph, text)
    canvas = canvas_group(graph, 256, 128, 3)
    said = [{"box": box, "prompt": f"a {texture} shape"} for texture, box in (("striped", [0.0, 0.0, 0.5, 1.0]), ("dotted", [0.5, 0.0, 1.0, 1.0]))]
    regions = regions_group(graph, said, 256)
    with graph.group("All five", column=2, color=GREEN):
        net = graph.add("Concord_LoadPracticeControlNet")
        control = graph.add("Concord_ApplyControlNet", positive=positive, negative=negative, control_net=net, image=scene["outline"])
        adapter = graph.add("Concord_LoadPracticeAdapter")
        graph.beside()
        seeing = graph.add("Concord_DecoupledCrossAttn", model=model["model"], adapter=adapter, image=look["image"], weight=0.7)
        aligned = graph.add("Concord_StyleAligned", model=seeing)
        guided = graph.add("Concord_RegionGuidance", model=aligned, clip=model["clip"], text=text, regions=regions["regions"])
        windows = graph.add("Concord_MultiDiffusion", model=guided)
    draw_group(graph, "Without", model["model"], positive, negative, canvas, model["vae"], f"{name}_without", seed=4)
    draw_group(graph, "With all five", windows, control["positive"], control["negative"], canvas, model["vae"], f"{name}_with", seed=4)
    return graph


ALL = (two_region_poster_practice, layout_from_boxes_practice, all_around_practice, tiled_refine_practice, five_techniques_practice)


def regions_group(graph: Graph, regions: list[dict], width: int = 128, height: int = 128) -> Node:
    """The node with these regions drawn in it."""
    text = "[\n" + ",\n".join(f"  {json.dumps(region)}" for region in regions) + "\n]"
    with graph.group("Regions", column=1, color=GREEN):
        node = graph.add("Concord_Regions", regions=text, width=width, height=height)
        node.size = (340, 620)  # room for the editor
        return node
