"""Practice workflows of hints and image prompts: two ControlNets side by side, a picture as a prompt, its style alone, and both kinds together."""

from __future__ import annotations

from ..hosts.diffusers.graph.registry import Registry
from .graph import Graph, Node
from .practice_workflows import GREEN, canvas_group, draw_group, model_group, prompt_group


def two_controlnets_practice(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    model = model_group(
        graph,
        """## Two ControlNets, each in its own part

Two outlines from two scenes: a heart on the left, a star on the right.

- **Without masks**: each outline also says "nothing here" about the other's side.
- **With masks**: each counts round its own object only, and the second fades out over the run (*strength_curve*).

Try another *mode*, or drag the curve: 0:0, 0.5:1 starts without the hint.""",
    )
    hints = [_hint(graph, "First hint", "heart", "left"), _hint(graph, "Second hint", "star", "right")]
    positive, negative = prompt_group(graph, "a red shape on the left and a yellow shape on the right on a blue background")
    canvas = canvas_group(graph, 128, 128, 4)
    with graph.group("Hints everywhere", column=2):
        net = graph.add("Concord_LoadPracticeControlNet")
        plain = _chained(graph, net, positive, negative, hints, masked=False)
    with graph.group("Hints under masks", column=2, color=GREEN):
        masked = _chained(graph, net, positive, negative, hints, masked=True)
    draw_group(graph, "Without masks", model["model"], plain["positive"], plain["negative"], canvas, model["vae"], f"{name}_without", seed=3)
    draw_group(graph, "With masks", model["model"], masked["positive"], masked["negative"], canvas, model["vae"], f"{name}_with", seed=3)
    return graph


def image_prompt_practice(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    model = model_group(
        graph,
        """## A picture as a prompt

The words ask for a star and nothing else. The reference shows a purple circle on yellow.

- **Without**: every star has colours of its own.
- **With**: the words say what, the picture says how it looks.

Try a *weight* of 0.5, *end_percent* 0.5, or another reference.""",
    )
    scene = _reference(graph)
    positive, negative = prompt_group(graph, "a star")
    canvas = canvas_group(graph, 128, 128, 4)
    with graph.group("Image prompt", column=2, color=GREEN):
        adapter = graph.add("Concord_LoadPracticeAdapter")
        seeing = graph.add("Concord_DecoupledCrossAttn", model=model["model"], adapter=adapter, image=scene["image"])
    draw_group(graph, "Without", model["model"], positive, negative, canvas, model["vae"], f"{name}_without", seed=5)
    draw_group(graph, "With image prompt", seeing, positive, negative, canvas, model["vae"], f"{name}_with", seed=5)
    return graph


def style_transfer_practice(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    model = model_group(
        graph,
        """## Only the style, only the layout

One reference, three ways to look at it; the words leave everything else open.

- **All layers**: the model takes what it can from the picture.
- **Style transfer**: only the layers that decide colours and surfaces see it (InstantStyle).
- **Composition**: only the layers that decide what stands where.

Try *layer_weights*, such as 3:1, 6:0.5.""",
    )
    scene = _reference(graph, shape="heart", place="left")
    positive, negative = prompt_group(graph, "a shape")
    canvas = canvas_group(graph, 128, 128, 4)
    ways = {"All layers": "linear", "Style transfer": "style transfer", "Composition": "composition"}
    with graph.group("Image prompts", column=2, color=GREEN):
        adapter = graph.add("Concord_LoadPracticeAdapter")
        seeing = {title: graph.add("Concord_DecoupledCrossAttn", title=title, model=model["model"], adapter=adapter, image=scene["image"], weight_type=kind)
                  for title, kind in ways.items()}  # fmt: skip
    for title, model_with in seeing.items():
        draw_group(graph, title, model_with, positive, negative, canvas, model["vae"], f"{name}_{title.lower().replace(' ', '-')}", seed=5)
    return graph


def controlnet_image_prompt_practice(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    model = model_group(
        graph,
        """## An outline and a picture together

**ControlNet** says where and which shape, the **image prompt** says which colours. The words say nothing but "a shape".

The two do not know of each other and need no order: swap, bypass or double them.""",
    )
    with graph.group("Hint", column=0):
        outline = graph.add("Concord_PracticeScene", title="Outline", shape="star", place="right")
        graph.add("PreviewImage", title="The outline", images=outline["outline"])
    scene = _reference(graph)
    positive, negative = prompt_group(graph, "a shape")
    canvas = canvas_group(graph, 128, 128, 4)
    with graph.group("Both", column=2, color=GREEN):
        net = graph.add("Concord_LoadPracticeControlNet")
        control = graph.add("Concord_ApplyControlNet", positive=positive, negative=negative, control_net=net, image=outline["outline"])
        graph.beside()
        adapter = graph.add("Concord_LoadPracticeAdapter")
        seeing = graph.add("Concord_DecoupledCrossAttn", model=model["model"], adapter=adapter, image=scene["image"])
    draw_group(graph, "Without", model["model"], positive, negative, canvas, model["vae"], f"{name}_without", seed=8)
    draw_group(graph, "With both", seeing, control["positive"], control["negative"], canvas, model["vae"], f"{name}_with", seed=8)
    return graph


ALL = (two_controlnets_practice, image_prompt_practice, style_transfer_practice, controlnet_image_prompt_practice)


def _hint(graph: Graph, title: str, shape: str, place: str) -> tuple[Node, Node]:
    """A scene and the room round its object."""
    with graph.group(title, column=0):
        scene = graph.add("Concord_PracticeScene", shape=shape, place=place)
        graph.add("PreviewImage", title=f"The {shape}'s outline", images=scene["outline"])
        graph.beside()
        return scene, graph.add("GrowMask", mask=scene["mask"], expand=16)


def _chained(graph: Graph, net: Node, positive: Node, negative: Node, hints: list[tuple[Node, Node]], masked: bool) -> Node:
    both: dict = {"positive": positive, "negative": negative}
    for number, (scene, mask) in enumerate(hints):
        choices = {"mask": mask, "strength_curve": "0:1, 0.6:1, 1:0.3" if number else ""} if masked else {}
        control = graph.add("Concord_ApplyControlNet", **both, control_net=net, image=scene["outline"], **choices)
        both = {name: control[name] for name in both}
    return control


def _reference(graph: Graph, **scene: str) -> Node:
    with graph.group("Reference", column=0):
        drawn = graph.add("Concord_PracticeScene", **{"shape": "circle", "colour": "purple", "texture": "dotted", "background": "yellow", **scene})
        graph.add("PreviewImage", title="The reference", images=drawn["image"])
        return drawn
