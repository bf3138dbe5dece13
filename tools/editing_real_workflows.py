"""The real-model twins of `editing_workflows`: words swapped, poses changed, a real picture edited or as the style of others, and where words look."""

from __future__ import annotations

from ..hosts.diffusers.graph.registry import Registry
from .graph import Graph, Node, Out
from .practice_workflows import GREEN
from .real_workflows import NEGATIVE, SD15, SDXL, about_group, canvas_group, checkpoint_group, draw_group, needs, prompt_group

OWN = "It comes from **Practice Scene**, so that the graph runs without any picture of yours; connect **Load Image** in its place, and change the words."


def prompt_to_prompt(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    about_group(graph, f"""## Prompt-to-Prompt on Stable Diffusion 1.5: change a word, keep the picture

{needs(SD15)}

The first picture is the *source*, the others are variants of it, each with a word changed. All start from the same noise, and every word looks where \
it looked in the source.

A shorter *cross_replace* (default:0-0.4) gives a new word more freedom. *blend_words* cat, dog keeps everything else to the pixel. For words that are \
added choose *refine*, for words louder or softer *reweight*.""")
    model = checkpoint_group(graph, SD15)
    negative = _negative(graph, model)
    canvas = canvas_group(graph, 512, 512, 1)
    source = "a photograph of a cat sitting on a wooden bench in a park, soft light"
    targets = f"{source.replace('cat', 'dog')}\n{source.replace('park', 'desert')}"
    with graph.group("Prompt-to-Prompt", column=2, color=GREEN):
        edited = graph.add("Concord_PromptToPrompt", model=model["model"], clip=model["clip"], latent=canvas, source=source, targets=targets)
    draw_group(graph, edited["model"], edited["positive"], negative, edited["latent"], model["vae"], name, steps=30, cfg=7.5)
    return graph


def masactrl(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    about_group(graph, f"""## MasaCtrl on Stable Diffusion 1.5: the same dog in another pose

{needs(SD15)}

The first picture is the *source*. The second has a prompt of its own for its pose, and takes what things look like from the source.

Where the pose does not change, begin later (*start_percent* 0.2); where the looks drift, earlier. *union* lets the second picture look at itself, too.""")
    model = checkpoint_group(graph, SD15)
    with graph.group("Prompts", column=1):
        source = graph.add("CLIPTextEncode", title="Source", text="a photograph of a brown dog sitting in a meadow", clip=model["clip"])
        target = graph.add("CLIPTextEncode", title="Target", text="a photograph of a brown dog jumping in a meadow", clip=model["clip"])
    negative = _negative(graph, model)
    canvas = canvas_group(graph, 512, 512, 1)
    with graph.group("MasaCtrl", column=2, color=GREEN):
        edited = graph.add("Concord_MasaCtrl", model=model["model"], source=source, target=target, latent=canvas, clip=model["clip"])
    draw_group(graph, edited["model"], edited["positive"], negative, edited["latent"], model["vae"], name, steps=30, cfg=7.5)
    return graph


def edit_a_picture(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    about_group(graph, f"""## A real picture, edited by a word, on Stable Diffusion 1.5

{needs(SD15)}

**DDIM Inversion** finds the noise that the model would have begun with, **Null-Text** the negative prompts with which guidance leads back to the picture, \
and **Prompt-to-Prompt** changes a word. {OWN}

Null-Text takes about as long as thirty pictures; *method* "source prompt as negative" costs nothing and comes close. Inversion and sampler need the same \
steps and scheduler, Null-Text and sampler the same cfg.""")
    model = checkpoint_group(graph, SD15)
    scene = _picture(graph, 512, shape="heart", colour="red", texture="solid", background="blue")
    words = "a drawing of a red heart on a blue background"
    said, empty, latent, way = _inverted(graph, model, scene, words)
    with graph.group("Null-Text and Prompt-to-Prompt", column=2, color=GREEN):
        returning = graph.add("Concord_NullText", model=model["model"], positive=said, negative=empty, bank=way["bank"])
        graph.beside()
        edited = graph.add("Concord_PromptToPrompt", model=returning, clip=model["clip"], latent=latent, source=words,
                           targets=f"{words.replace('red', 'green')}\n{words.replace('heart', 'star')}", bank=way["bank"])  # fmt: skip
    _draw(graph, edited["model"], edited["positive"], empty, edited["latent"], model["vae"], name, cfg=7.5)
    return graph


def style_aligned_picture(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    about_group(graph, f"""## StyleAligned with a real picture as the style, on SDXL

{needs(SDXL)}

**DDIM Inversion** brings the picture into the run; it is the first of the batch, and the others take over its style. {OWN}

Every picture has a prompt of its own, the reference's first. *shift* 0.7 gives the reference twice the weight, as the authors do; -0.7 where its content \
shows through. Three pictures of 1024 pixels at once take much GPU memory.""")
    model = checkpoint_group(graph, SDXL)
    scene = _picture(graph, 1024, shape="circle", colour="purple", texture="dotted", background="yellow")
    words = "a purple dotted circle on a yellow ground, flat print in bold colours"
    _, empty, _, way = _inverted(graph, model, scene, words, cfg=2.0)
    with graph.group("Canvas", column=1):
        canvas = graph.add("EmptyLatentImage", width=1024, height=1024, batch_size=3)
    with graph.group("StyleAligned", column=2, color=GREEN):
        aligned = graph.add("Concord_StyleAligned", model=model["model"], shift=0.7, share_group_norm=True, bank=way["bank"])
        prompts = words + "\na sailing boat, flat print in bold colours\na fox, flat print in bold colours"
        told = graph.add("Concord_PromptPerPicture", clip=model["clip"], latent=canvas, prompts=prompts)
    _draw(graph, aligned, told, empty, canvas, model["vae"], name, cfg=7.5)
    return graph


def attention_maps(name: str, registry: Registry) -> Graph:
    graph = Graph(name, registry)
    about_group(graph, f"""## Where does each word look? On Stable Diffusion 1.5

{needs(SD15)}

**Attention Maps** watches a run without changing it by a bit; **Show Attention Maps** paints where each word was looked at, and gives the places as \
masks, for inpainting or for prompts of regions.

*text* has to be the prompt. Try a part of the run (*end_percent* 0.3 shows how the layout is found), or a *resolution*.""")
    model = checkpoint_group(graph, SD15)
    text = "a photograph of a red fox beside a stone fountain in a garden"
    positive, negative = prompt_group(graph, model, text)
    canvas = canvas_group(graph, 512, 512, 1)
    with graph.group("Attention maps", column=2, color=GREEN):
        watched = graph.add("Concord_AttentionMaps", model=model["model"], clip=model["clip"], text=text, words="red fox, stone fountain, garden")
    with graph.group("Draw", column=3):
        drawn = graph.add("KSampler", model=watched["model"], seed=1, steps=25, cfg=7.0, sampler_name="dpmpp_2m", scheduler="karras", positive=positive,
                          negative=negative, latent_image=canvas)  # fmt: skip
        graph.beside()
        image = graph.add("VAEDecode", samples=drawn, vae=model["vae"])
        graph.add("SaveImage", title="Picture", images=image, filename_prefix=name)
    with graph.group("Where words look", column=4, color=GREEN):
        shown = graph.add("Concord_ShowAttentionMaps", maps=watched["maps"], latent=drawn, image=image)
        graph.beside()
        graph.add("SaveImage", title="Heat", images=shown["heat"], filename_prefix=f"{name}_heat")
        graph.add("PreviewImage", title="Masks", images=graph.add("MaskToImage", mask=shown["mask"]))
    return graph


ALL = (prompt_to_prompt, masactrl, edit_a_picture, style_aligned_picture, attention_maps)


def _negative(graph: Graph, model: Node) -> Node:
    with graph.group("Negative prompt", column=1):
        return graph.add("CLIPTextEncode", title="Negative prompt", text=NEGATIVE, clip=model["clip"])


def _picture(graph: Graph, side: int, **scene: str) -> Node:
    with graph.group("The real picture", column=0):
        drawn = graph.add("Concord_PracticeScene", **scene, width=side, height=side)
        graph.add("PreviewImage", title="The picture", images=drawn["image"])
        return drawn


def _inverted(graph: Graph, model: Node, scene: Node, words: str, cfg: float = 1.0) -> tuple[Node, Node, Node, Node]:
    """What the picture shows, the empty prompt, the picture's latent, and the inversion."""
    with graph.group("Inversion", column=1, color=GREEN):
        said = graph.add("CLIPTextEncode", title="What it shows", text=words, clip=model["clip"])
        empty = graph.add("CLIPTextEncode", title="Negative prompt (empty)", text="", clip=model["clip"])
        latent = graph.add("VAEEncode", pixels=scene["image"], vae=model["vae"])
        graph.beside()
        return said, empty, latent, graph.add("Concord_DDIMInversion", model=model["model"], positive=said, negative=empty, latent=latent, cfg=cfg)


def _draw(graph: Graph, model: Node | Out, positive: Node | Out, negative: Node, canvas: Node | Out, vae: Out, prefix: str, cfg: float) -> None:
    """As many steps as the inversion, over the same noise levels."""
    with graph.group("Draw", column=3):
        latent = graph.add("KSampler", model=model, seed=1, steps=50, cfg=cfg, sampler_name="euler", scheduler="normal", positive=positive, negative=negative,
                           latent_image=canvas)  # fmt: skip
        graph.beside()
        image = graph.add("VAEDecode", samples=latent, vae=vae)
        graph.add("SaveImage", title="Picture", images=image, filename_prefix=prefix)
