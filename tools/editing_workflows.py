"""Practice workflows of edits: words swapped, poses changed, a real picture as the source, and where words look."""

from __future__ import annotations

from ..hosts.diffusers.graph.registry import Registry
from .graph import Graph, Node, Out
from .practice_workflows import CFG, GREEN, STEPS, canvas_group, draw_group, model_group, prompt_group

SOURCE = "a red striped shape on a blue background"
TARGETS = "a green striped shape on a blue background\na red dotted shape on a blue background"


def prompt_to_prompt_practice(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    model = model_group(
        graph,
        """## Prompt-to-Prompt: change a word, keep the picture

The first picture is the *source*, the others are variants of it with a word changed. All start from the same noise.

- **Without**: a changed word changes the whole picture.
- **With**: the variants look where the source looked; only what the word says is different.

Try other *targets* (one a line), a shorter *cross_replace* (default:0-0.4), or *blend_words*: star.""",
    )
    empty = _empty(graph)
    canvas = canvas_group(graph, 128, 128, 1)
    choices = {"source": SOURCE, "targets": TARGETS, "layout_layers": "all"}
    with graph.group("Prompt-to-Prompt", column=2, color=GREEN):
        edited = graph.add("Concord_PromptToPrompt", model=model["model"], clip=model["clip"], latent=canvas, **choices)
        graph.beside()
        off = {"cross_replace": "default:0-0", "layout_end": 0.0}
        plain = graph.add("Concord_PromptToPrompt", title="The same, switched off", model=model["model"], clip=model["clip"], latent=canvas, **choices | off)
    for title, node in (("Without", plain), ("With Prompt-to-Prompt", edited)):
        draw_group(graph, title, node["model"], node["positive"], empty, node["latent"], model["vae"], f"{name}_{title.split()[0].lower()}", seed=5)
    return graph


def masactrl_practice(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    model = model_group(
        graph,
        """## MasaCtrl: the same things in another place

The first picture is the *source*. The second has a prompt that names neither colour nor texture, only another place.

- **Without**: it has colours of its own.
- **With**: it takes them from the source, and stands where its own prompt says.

Try another *start_percent* (later: more freedom), *union*, or other *layers*.""",
    )
    empty = _empty(graph)
    with graph.group("Prompts", column=1):
        source = graph.add("CLIPTextEncode", title="Source", text="a purple dotted heart on the left on a yellow background", clip=model["clip"])
        target = graph.add("CLIPTextEncode", title="Target", text="a heart on the right", clip=model["clip"])
    canvas = canvas_group(graph, 128, 128, 2)
    with graph.group("MasaCtrl", column=2, color=GREEN):
        chosen = {"model": model["model"], "source": source, "target": target, "latent": canvas, "clip": model["clip"]}
        edited = graph.add("Concord_MasaCtrl", **chosen)
        graph.beside()
        plain = graph.add("Concord_MasaCtrl", title="The same, switched off", **chosen, start_percent=0.0, end_percent=0.0)
    for title, node in (("Without", plain), ("With MasaCtrl", edited)):
        draw_group(graph, title, node["model"], node["positive"], empty, node["latent"], model["vae"], f"{name}_{title.split()[0].lower()}", seed=5)
    return graph


def edit_a_picture_practice(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    model = model_group(
        graph,
        """## A real picture, edited by a word

**DDIM Inversion** finds the noise that the model would have begun with. **Prompt-to-Prompt** then takes the picture as its source and changes a word.

The inversion and the sampler need the same steps and the same scheduler. For a picture of yours: **Load Image** in the place of Practice Scene.""",
    )
    scene = _picture(graph, {"shape": "heart", "colour": "red", "texture": "solid", "place": "right", "background": "blue"})
    empty = _empty(graph)
    words = "a red solid heart on the right on a blue background"
    with graph.group("Inversion", column=1, color=GREEN):
        said = graph.add("CLIPTextEncode", title="What it shows", text=words, clip=model["clip"])
        latent = graph.add("VAEEncode", pixels=scene["image"], vae=model["vae"])
        graph.beside()
        way = graph.add("Concord_DDIMInversion", model=model["model"], positive=said, negative=empty, latent=latent, steps=STEPS)
    with graph.group("Prompt-to-Prompt", column=2, color=GREEN):
        edited = graph.add("Concord_PromptToPrompt", model=model["model"], clip=model["clip"], latent=latent, source=words,
                           targets=f"{words.replace('red', 'green')}\n{words.replace('red', 'yellow')}", layout_layers="all", bank=way["bank"])  # fmt: skip
    draw_group(graph, "Edited", edited["model"], edited["positive"], empty, edited["latent"], model["vae"], name, seed=1)
    return graph


def attention_maps_practice(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    text = "a red striped star on the left and a green solid heart on the right on a blue background"
    model = model_group(
        graph,
        """## Where does each word look?

**Attention Maps** watches a run without changing it by a bit; **Show Attention Maps** paints where each word was looked at, and \
gives the places as masks for other nodes.

Try other *words* (several are one: red star), a part of the run (*end_percent* 0.3), or a *resolution*.""",
    )
    positive, negative = prompt_group(graph, text)
    canvas = canvas_group(graph, 128, 128, 1)
    with graph.group("Attention maps", column=2, color=GREEN):
        watched = graph.add("Concord_AttentionMaps", model=model["model"], clip=model["clip"], text=text, words="star, heart, red, green, background")
    with graph.group("The picture", column=3):
        drawn = graph.add("KSampler", model=watched["model"], seed=4, steps=STEPS, cfg=CFG, sampler_name="dpmpp_2m", scheduler="normal", positive=positive,
                          negative=negative, latent_image=canvas)  # fmt: skip
        graph.beside()
        image = graph.add("VAEDecode", samples=drawn, vae=model["vae"])
        graph.add("SaveImage", title="The picture", images=image, filename_prefix=f"{name}_picture")
    with graph.group("Where words look", column=4, color=GREEN):
        shown = graph.add("Concord_ShowAttentionMaps", maps=watched["maps"], latent=drawn, image=image)
        graph.beside()
        graph.add("SaveImage", title="Heat", images=shown["heat"], filename_prefix=f"{name}_heat")
        graph.add("PreviewImage", title="Masks", images=graph.add("MaskToImage", mask=shown["mask"]))
    return graph


ALL = (prompt_to_prompt_practice, masactrl_practice, edit_a_picture_practice, attention_maps_practice)


def _empty(graph: Graph) -> Node:
    """The negative prompt, for nodes that bring the positive themselves."""
    with graph.group("Negative prompt", column=1):
        return graph.add("CLIPTextEncode", title="Negative prompt (empty)", text="", clip=_clip(graph))


def _clip(graph: Graph) -> Out:
    return graph.nodes[1]["clip"]


def _picture(graph: Graph, scene: dict[str, str]) -> Node:
    with graph.group("The real picture", column=0):
        drawn = graph.add("Concord_PracticeScene", **scene)
        graph.add("PreviewImage", title="The picture", images=drawn["image"])
        return drawn
