"""The real-model twins of `guided_workflows`: two ControlNets, a picture as a prompt, its style alone, and an outline with a picture."""

from __future__ import annotations

from ..hosts.diffusers.graph.registry import Registry
from .graph import Graph, ModelFile, Node
from .practice_workflows import GREEN
from .real_workflows import CANNY, HUB, SD15, SDXL, about_group, canvas_group, checkpoint_group, draw_group, needs, prompt_group

DEPTH = ModelFile("control_v11f1p_sd15_depth_fp16.safetensors",
                  f"{HUB}/comfyanonymous/ControlNet-v1-1_fp16_safetensors/resolve/main/control_v11f1p_sd15_depth_fp16.safetensors", "controlnet")  # fmt: skip
VISION = ModelFile("CLIP-ViT-H-14-laion2B-s32B-b79K.safetensors", f"{HUB}/h94/IP-Adapter/resolve/main/models/image_encoder/model.safetensors", "clip_vision")
PLUS = ModelFile("ip-adapter-plus_sd15.safetensors", f"{HUB}/h94/IP-Adapter/resolve/main/models/ip-adapter-plus_sd15.safetensors", "ipadapter")
PLUS_SDXL = ModelFile(
    "ip-adapter-plus_sdxl_vit-h.safetensors", f"{HUB}/h94/IP-Adapter/resolve/main/sdxl_models/ip-adapter-plus_sdxl_vit-h.safetensors", "ipadapter"
)
OWN = "It comes from **Practice Scene**, so that the graph runs without any picture of yours; connect **Load Image** in its place."


def two_controlnets(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    about_group(
        graph,
        f"""## Two ControlNets, each in its own part, on Stable Diffusion 1.5

{needs(SD15, CANNY, DEPTH)}

An outline on the left and one on the right; each ControlNet counts only under its mask, and the second fades out over the run (*strength_curve*). \
For your own hints: **Load Image** into **Canny (Concord)** or **Depth (Concord)**, and the masks from the mask editor.""",
    )
    model = checkpoint_group(graph, SD15)
    hints = [_hint(graph, "First hint", "heart", "left"), _hint(graph, "Second hint", "star", "right")]
    positive, negative = prompt_group(graph, model, "a gingerbread heart and a golden star ornament on a dark wooden table, photograph, soft light")
    canvas = canvas_group(graph, 512, 512, 1)
    with graph.group("ControlNets", column=2, color=GREEN):
        both: dict = {"positive": positive, "negative": negative}
        for number, file, (scene, mask), hint, curve in zip((0, 1), (CANNY, DEPTH), hints, ("outline", "mask"), ("", "0:1, 0.6:1, 1:0.3"), strict=True):
            if number:
                graph.beside()
            net = graph.add("ControlNetLoader", control_net_name=file.name, models=(file,))
            image = scene["outline"] if hint == "outline" else graph.add("MaskToImage", mask=scene["mask"])
            control = graph.add("Concord_ApplyControlNet", **both, control_net=net, image=image, mask=mask, strength=0.9, strength_curve=curve)
            both = {side: control[side] for side in both}
    draw_group(graph, model["model"], both["positive"], both["negative"], canvas, model["vae"], name, steps=25, cfg=7.0)
    return graph


def image_prompt(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    about_group(
        graph,
        f"""## A picture as a prompt on Stable Diffusion 1.5

{needs(SD15, PLUS, VISION)}

IP-Adapter Plus: the model looks at the reference beside the words. {OWN}

With words, a *weight* of 0.5 to 0.8 leaves them room; without words use 1.""",
    )
    model = checkpoint_group(graph, SD15)
    scene = _reference(graph, 512)
    positive, negative = prompt_group(graph, model, "a cushion on a sofa, photograph, soft light")
    canvas = canvas_group(graph, 512, 512, 1)
    seeing = _seeing(graph, model, scene, PLUS, weight=0.7)
    draw_group(graph, seeing, positive, negative, canvas, model["vae"], name, steps=25, cfg=7.0)
    return graph


def style_transfer(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    about_group(
        graph,
        f"""## Style transfer by layers on SDXL (InstantStyle)

{needs(SDXL, PLUS_SDXL, VISION)}

Only the layers that decide colours and surfaces see the reference; the words say what is in the picture. {OWN}

Other choices of *weight_type*: composition (its layout only), style and composition, strong style transfer.""",
    )
    model = checkpoint_group(graph, SDXL)
    scene = _reference(graph, 1024)
    positive, negative = prompt_group(graph, model, "a lighthouse on a cliff above the sea, illustration")
    canvas = canvas_group(graph, 1024, 1024, 1)
    seeing = _seeing(graph, model, scene, PLUS_SDXL, weight_type="style transfer")
    draw_group(graph, seeing, positive, negative, canvas, model["vae"], name, steps=30, cfg=5.0)
    return graph


def controlnet_image_prompt(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    about_group(
        graph,
        f"""## An outline and a picture together on Stable Diffusion 1.5

{needs(SD15, CANNY, PLUS, VISION)}

**ControlNet** says where and which shape, the **image prompt** says what it is made of. Their order does not matter. {OWN}""",
    )
    model = checkpoint_group(graph, SD15)
    with graph.group("Hint", column=0):
        outline = graph.add("Concord_PracticeScene", title="Outline", shape="star", width=512, height=512)
        graph.add("PreviewImage", title="The outline", images=outline["outline"])
    scene = _reference(graph, 512)
    positive, negative = prompt_group(graph, model, "a ceramic ornament on a table, photograph, soft light")
    canvas = canvas_group(graph, 512, 512, 1)
    with graph.group("ControlNet", column=2, color=GREEN):
        net = graph.add("ControlNetLoader", control_net_name=CANNY.name, models=(CANNY,))
        control = graph.add("Concord_ApplyControlNet", positive=positive, negative=negative, control_net=net, image=outline["outline"], strength=0.9)
    seeing = _seeing(graph, model, scene, PLUS, weight=0.7)
    draw_group(graph, seeing, control["positive"], control["negative"], canvas, model["vae"], name, steps=25, cfg=7.0)
    return graph


ALL = (two_controlnets, image_prompt, style_transfer, controlnet_image_prompt)


def _hint(graph: Graph, title: str, shape: str, place: str) -> tuple[Node, Node]:
    with graph.group(title, column=0):
        scene = graph.add("Concord_PracticeScene", shape=shape, place=place, width=512, height=512)
        graph.beside()
        return scene, graph.add("GrowMask", mask=scene["mask"], expand=64)


def _reference(graph: Graph, side: int) -> Node:
    with graph.group("Reference", column=0):
        scene = graph.add("Concord_PracticeScene", shape="circle", colour="purple", texture="dotted", background="yellow", width=side, height=side)
        graph.add("PreviewImage", title="The reference", images=scene["image"])
        return scene


def _seeing(graph: Graph, model: Node, scene: Node, file: ModelFile, **choices: object) -> Node:
    with graph.group("Image prompt", column=2, color=GREEN):
        adapter = graph.add("Concord_LoadImageAdapter", adapter_name=file.name, models=(file,))
        vision = graph.add("CLIPVisionLoader", clip_name=VISION.name, models=(VISION,))
        graph.beside()
        return graph.add("Concord_DecoupledCrossAttn", model=model["model"], adapter=adapter, image=scene["image"], clip_vision=vision, **choices)
