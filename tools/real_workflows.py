"""Workflows on Stable Diffusion 1.5 and SDXL. Their notes say which files they need; ComfyUI offers to download them."""

from __future__ import annotations

from ..hosts.diffusers.graph.registry import Registry
from .graph import Graph, ModelFile, Node, Out
from .practice_workflows import GREEN, GREY

HUB = "https://huggingface.co"
SD15 = ModelFile("v1-5-pruned-emaonly-fp16.safetensors",
                 f"{HUB}/Comfy-Org/stable-diffusion-v1-5-archive/resolve/main/v1-5-pruned-emaonly-fp16.safetensors", "checkpoints")  # fmt: skip
SDXL = ModelFile("sd_xl_base_1.0.safetensors", f"{HUB}/stabilityai/stable-diffusion-xl-base-1.0/resolve/main/sd_xl_base_1.0.safetensors", \
"checkpoints",
                 "31e35c80fc4829d14f90153f4c74cd59c90b779f6afe05a74cd6120b893f7e5b")  # fmt: skip
CANNY = ModelFile("control_v11p_sd15_canny_fp16.safetensors",
                  f"{HUB}/comfyanonymous/ControlNet-v1-1_fp16_safetensors/resolve/main/control_v11p_sd15_canny_fp16.safetensors", "controlnet")  # fmt: skip
NEGATIVE = "blurry, low quality, text, watermark"


def controlnet(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    about_group(graph, f"""## ControlNet on Stable Diffusion 1.5

{needs(SD15, CANNY)}

The outline of a star comes from **Practice Scene**, so that the graph runs without any picture of yours. For your own: **Load Image** into \
ComfyUI's **Canny** node, and that into *image*.

Try a *strength* of 0.6, or *end_percent* 0.5: the outline decides where things are, the model how they look.""")
    model = checkpoint_group(graph, SD15)
    with graph.group("Hint", column=0):
        scene = graph.add("Concord_PracticeScene", shape="star", width=512, height=512)
        graph.add("PreviewImage", title="The outline", images=scene["outline"])
    positive, negative = prompt_group(graph, model, "a gingerbread cookie with icing on a wooden table, photograph, soft light")
    canvas = canvas_group(graph, 512, 512, 1)
    with graph.group("ControlNet", column=2, color=GREEN):
        net = graph.add("ControlNetLoader", control_net_name=CANNY.name, models=(CANNY,))
        control = graph.add("Concord_ApplyControlNet", positive=positive, negative=negative, control_net=net, image=scene["outline"], strength=0.9)
    draw_group(graph, model["model"], control["positive"], control["negative"], canvas, model["vae"], name, steps=25, cfg=7.0)
    return graph


def style_aligned(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    about_group(graph, f"""## StyleAligned on SDXL

{needs(SDXL)}

Four pictures of one prompt in one style: the first of the batch is the reference, the others take over its colours, materials and manner.

Four pictures of 1024 pixels at once take much GPU memory; where it is short, make the batch 2. Shared attention looks at twice as many tokens, so a step \
takes longer than without.

Try another *reference*, *shift* -0.7 where the pictures come out too much alike, 0.7 where not enough.""")
    model = checkpoint_group(graph, SDXL)
    positive, negative = prompt_group(graph, model, "a toy animal, colourful, macro photo of a felt figure")
    canvas = canvas_group(graph, 1024, 1024, 4)
    with graph.group("StyleAligned", column=2, color=GREEN):
        aligned = graph.add("Concord_StyleAligned", model=model["model"])
    draw_group(graph, aligned, positive, negative, canvas, model["vae"], name, steps=30, cfg=5.0)
    return graph


def panorama(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    about_group(graph, f"""## A panorama with Stable Diffusion 1.5

{needs(SD15)}

2048 x 512 pixels from a model made for 512 x 512: it draws overlapping windows of 512 that agree at every step. A prompt that is true of every part \
of the picture works best.

A *stride* of 256 takes half as long; smaller than 128 is smoother still. With *wrap_x* the right edge goes on at the left.""")
    model = checkpoint_group(graph, SD15)
    positive, negative = prompt_group(graph, model, "a wide alpine valley with pine forests and snowy peaks, morning mist, landscape photograph")
    canvas = canvas_group(graph, 2048, 512, 1)
    with graph.group("MultiDiffusion", column=2, color=GREEN):
        windows = graph.add("Concord_MultiDiffusion", model=model["model"], window_width=512, window_height=512, stride=128)
    draw_group(graph, windows, positive, negative, canvas, model["vae"], name, steps=30, cfg=7.5)
    return graph


ALL = (controlnet, style_aligned, panorama)


def needs(*models: ModelFile) -> str:
    return "Needs:\n" + "\n".join(f"- [{m.name}]({m.url}) in `models/{m.directory}`" for m in models)


def about_group(graph: Graph, text: str) -> None:
    with graph.group("About", column=-1, color=GREY):
        graph.note("Read me", text, (420, 340))


def checkpoint_group(graph: Graph, model: ModelFile) -> Node:
    with graph.group("Model", column=0):
        return graph.add("CheckpointLoaderSimple", ckpt_name=model.name, models=(model,))


def prompt_group(graph: Graph, model: Node, text: str) -> tuple[Node, Node]:
    with graph.group("Prompt", column=1):
        positive = graph.add("CLIPTextEncode", title="Prompt", text=text, clip=model["clip"])
        return positive, graph.add("CLIPTextEncode", title="Negative prompt", text=NEGATIVE, clip=model["clip"])


def canvas_group(graph: Graph, width: int, height: int, batch: int) -> Node:
    with graph.group("Canvas", column=1):
        return graph.add("EmptyLatentImage", width=width, height=height, batch_size=batch)


def draw_group(
    graph: Graph, model: Node | Out, positive: Node | Out, negative: Node | Out, canvas: Node, vae: Out, prefix: str, steps: int, cfg: float
) -> None:
    with graph.group("Draw", column=3):
        latent = graph.add("KSampler", model=model, seed=1, steps=steps, cfg=cfg, sampler_name="dpmpp_2m", scheduler="karras",
                           positive=positive, negative=negative, latent_image=canvas)  # fmt: skip
        graph.beside()
        image = graph.add("VAEDecode", samples=latent, vae=vae)
        graph.add("SaveImage", title="Picture", images=image, filename_prefix=prefix)
