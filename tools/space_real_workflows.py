"""The real-model twins of `space_workflows`: regions with prompts and with words, a scene without an end, a picture drawn finer, five techniques."""

from __future__ import annotations

from ..hosts.diffusers.graph.registry import Registry
from .graph import Graph, ModelFile
from .guided_real_workflows import PLUS, VISION
from .practice_workflows import GREEN
from .real_workflows import CANNY, HUB, SD15, SDXL, about_group, canvas_group, checkpoint_group, draw_group, needs, prompt_group
from .space_workflows import regions_group

TILE = ModelFile("control_v11f1e_sd15_tile_fp16.safetensors",
                 f"{HUB}/comfyanonymous/ControlNet-v1-1_fp16_safetensors/resolve/main/control_v11f1e_sd15_tile_fp16.safetensors", "controlnet")  # fmt: skip
OWN = "The picture comes from **Practice Scene**, so that the graph runs without any of yours; connect **Load Image** in its place."


def two_region_poster(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    about_group(graph, f"""## Two regions, two prompts, on SDXL

{needs(SDXL)}

**Regions** holds two boxes: draw, move and stretch them in the node. Each part of the picture reads the prompt of its box; where no box is, the main \
prompt is read alone.

Say the same background everywhere, and in the main prompt what the picture is as a whole. *base_ratio* 0.2 to 0.5 lets the parts grow together.""")
    model = checkpoint_group(graph, SDXL)
    text = "a travel poster of the coast, flat colours, a fox on the left and a lighthouse on the right"
    positive, negative = prompt_group(graph, model, text)
    canvas = canvas_group(graph, 1216, 832, 1)
    said = {"a red fox sitting on a cliff, travel poster, flat colours": [0.02, 0.3, 0.46, 1.0],
            "a white lighthouse at sunset, travel poster, flat colours": [0.54, 0.05, 0.98, 1.0]}  # fmt: skip
    regions = regions_group(graph, [{"box": box, "prompt": prompt} for prompt, box in said.items()], 1216, 832)
    with graph.group("Region prompts", column=2, color=GREEN):
        guided = graph.add("Concord_RegionGuidance", model=model["model"], clip=model["clip"], text=text, regions=regions["regions"])
    draw_group(graph, guided, positive, negative, canvas, model["vae"], name, steps=30, cfg=6.0)
    return graph


def layout_from_boxes(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    about_group(graph, f"""## Words in their boxes, on Stable Diffusion 1.5

{needs(SD15)}

Two boxes, each with words of the prompt. Before each of the first steps the picture is moved, by the gradient of a loss, until the words are looked at in \
their boxes (**backward guidance**). A guided step takes up to five more evaluations, and more memory.

*BoxDiff* wants the things to fill their boxes; *paint with words* costs hardly anything and is gentler.""")
    model = checkpoint_group(graph, SD15)
    text = "a photograph of a cat and a dog sitting in a meadow, soft light"
    positive, negative = prompt_group(graph, model, text)
    canvas = canvas_group(graph, 512, 512, 1)
    regions = regions_group(graph, [{"box": [0.05, 0.35, 0.45, 0.95], "words": "cat"}, {"box": [0.52, 0.25, 0.97, 0.95], "words": "dog"}], 512, 512)
    with graph.group("Backward guidance", column=2, color=GREEN):
        guided = graph.add("Concord_RegionGuidance", model=model["model"], clip=model["clip"], text=text, regions=regions["regions"], mode="backward guidance")
    draw_group(graph, guided, positive, negative, canvas, model["vae"], name, steps=50, cfg=7.5)
    return graph


def all_around(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    about_group(graph, f"""## A panorama all around, with Stable Diffusion 1.5

{needs(SD15)}

2048 x 512 pixels whose right edge goes on at the left, for a panorama of 360 degrees. Windows of 512 pixels go on over the edge (*wrap_x*).

*wrap_x* and *wrap_y* together make tiles: "a wall of mossy stones, seen from the front" on a canvas of 1024 x 1024.""")
    model = checkpoint_group(graph, SD15)
    positive, negative = prompt_group(graph, model, "a wide desert canyon under a clear evening sky, landscape photograph")
    canvas = canvas_group(graph, 2048, 512, 1)
    with graph.group("MultiDiffusion", column=2, color=GREEN):
        windows = graph.add("Concord_MultiDiffusion", model=model["model"], stride=256, fusion="cosine", wrap_x=True)
    draw_group(graph, windows, positive, negative, canvas, model["vae"], name, steps=30, cfg=7.5)
    return graph


def tiled_refine(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    about_group(graph, f"""## A picture drawn once more, finer, with Stable Diffusion 1.5

{needs(SD15, TILE)}

A picture of 512 pixels is enlarged to 2048 and drawn once more in windows of 512. The tile ControlNet keeps in every window what was there; its hint is \
cropped with the windows. {OWN}

More *denoise* invents more details. How many windows are drawn at once follows from the memory that is free; *views_per_call* sets it.""")
    model = checkpoint_group(graph, SD15)
    with graph.group("The picture", column=0):
        scene = graph.add("Concord_PracticeScene", picture="mountains", light="sunset", width=512, height=512)
        graph.beside()
        large = graph.add("ImageScaleBy", title="Enlarged", image=scene["image"], upscale_method="lanczos", scale_by=4.0)
    positive, negative = prompt_group(graph, model, "mountains at sunset, highly detailed landscape photograph")
    with graph.group("Windows that follow the picture", column=2, color=GREEN):
        net = graph.add("ControlNetLoader", control_net_name=TILE.name, models=(TILE,))
        control = graph.add("Concord_ApplyControlNet", positive=positive, negative=negative, control_net=net, image=scene["image"])
        graph.beside()
        windows = graph.add("Concord_MultiDiffusion", model=model["model"], stride=384, fusion="cosine")
    with graph.group("Draw", column=3):
        latent = graph.add("VAEEncode", pixels=large, vae=model["vae"])
        drawn = graph.add("KSampler", model=windows, seed=1, steps=25, cfg=7.0, sampler_name="dpmpp_2m", scheduler="karras", positive=control["positive"],
                          negative=control["negative"], latent_image=latent, denoise=0.5)  # fmt: skip
        graph.beside()
        graph.add("SaveImage", title="Picture", images=graph.add("VAEDecode", samples=drawn, vae=model["vae"]), filename_prefix=name)
    return graph


def five_techniques(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    text = "a still life on a wooden table, soft light"
    about_group(graph, f"""## Five techniques on one model, with Stable Diffusion 1.5

{needs(SD15, CANNY, PLUS, VISION)}

Two wide pictures that follow one outline (**ControlNet**), take their looks from a picture (**image prompt**), share one style (**StyleAligned**), read \
another prompt left and right (**Region Guidance**), and are drawn in windows (**MultiDiffusion**). Any order of the nodes gives the same pictures. {OWN}""")
    model = checkpoint_group(graph, SD15)
    with graph.group("Hint and reference", column=0):
        shapes = {"shape": "heart", "place": "left", "second_shape": "star"}
        scene = graph.add("Concord_PracticeScene", title="Outline", picture="two objects", **shapes, width=1024, height=512)
        look = graph.add("Concord_PracticeScene", title="Reference", picture="sea", light="sunset", width=512, height=512)
    positive, negative = prompt_group(graph, model, text)
    canvas = canvas_group(graph, 1024, 512, 2)
    said = [{"box": box, "prompt": f"{thing}, on a wooden table, soft light"}
            for thing, box in (("a gingerbread heart", [0.0, 0.0, 0.5, 1.0]), ("a golden star ornament", [0.5, 0.0, 1.0, 1.0]))]  # fmt: skip
    regions = regions_group(graph, said, 1024, 512)
    with graph.group("All five", column=2, color=GREEN):
        net = graph.add("ControlNetLoader", control_net_name=CANNY.name, models=(CANNY,))
        control = graph.add("Concord_ApplyControlNet", positive=positive, negative=negative, control_net=net, image=scene["outline"], strength=0.9)
        vision = graph.add("CLIPVisionLoader", clip_name=VISION.name, models=(VISION,))
        adapter = graph.add("Concord_LoadImageAdapter", adapter_name=PLUS.name, models=(PLUS,))
        graph.beside()
        seeing = graph.add("Concord_DecoupledCrossAttn", model=model["model"], adapter=adapter, image=look["image"], weight=0.5, clip_vision=vision)
        aligned = graph.add("Concord_StyleAligned", model=seeing)
        guided = graph.add("Concord_RegionGuidance", model=aligned, clip=model["clip"], text=text, regions=regions["regions"])
        windows = graph.add("Concord_MultiDiffusion", model=guided)
    draw_group(graph, windows, control["positive"], control["negative"], canvas, model["vae"], name, steps=30, cfg=7.0)
    return graph


ALL = (two_region_poster, layout_from_boxes, all_around, tiled_refine, five_techniques)
