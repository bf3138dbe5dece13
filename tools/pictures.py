"""Every picture that is shipped, made by running the practice workflows: `python -m concord.tools.pictures`.

Thumbnails beside the workflows, pictures of the help pages, and the one at the top of the README. They show what the weights in practice/weights draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from PIL import Image

from ..hosts.diffusers.graph.context import Context
from ..hosts.diffusers.graph.runner import run_file
from ..nodes.practice_scene import PracticeScene
from .editing_pictures import aligned, inverted, one_each, second_prompt, toned
from .sheets import Picture, column, framed, line, row, scaled, squared, to_picture

LAYERS = ("All layers", "Style transfer")
ROOT = Path(__file__).parents[1]
ALONE = {"style-aligned-picture": "style-aligned"}  # real-model workflows without a practice twin, and whose pictures they show
WORKFLOWS, DOCS, HERO = ROOT / "workflows", ROOT / "web" / "docs", ROOT / "docs" / "hero.jpg"


@dataclass(frozen=True)
class Comparison:
    """What one workflow drew: what it was shown (a hint, a reference), if anything, and the batches without and with the technique."""

    hint: list[Picture]
    without: list[Picture]
    using: list[Picture]


def run(name: str) -> dict[str, list[Picture]]:
    """The pictures of a shipped workflow by the title of the node that saved them."""
    with TemporaryDirectory() as folder:
        written = run_file(WORKFLOWS / "api" / f"{name}.json", Context(output=Path(folder)))
        return {title: [Image.open(path).convert("RGB") for path in paths] for title, paths in written.items()}


def compare(name: str, without: str, using: str) -> Comparison:
    made = run(name)
    shown = [picture for title, pictures in made.items() if title.startswith("The ") for picture in pictures]
    return Comparison(shown, made[without], made[using])


def scenes(*choices: dict) -> tuple[Picture, Picture]:
    """Pictures and outlines of Practice Scene for these inputs, each as a row."""
    defaults = {i.id: i.default for i in PracticeScene.define_schema().inputs}
    drawn = [PracticeScene.execute(**(defaults | choice)).args for choice in choices]
    return row([to_picture(d[0]) for d in drawn]), row([to_picture(d[1]) for d in drawn])


def save(picture: Picture, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, quality=88, optimize=True)


def editing_pages() -> dict[str, dict[str, Picture]]:
    """The same for nodes that edit."""
    words, poses = compare("prompt-to-prompt-practice", "Without", "With Prompt-to-Prompt"), compare("masactrl-practice", "Without", "With MasaCtrl")
    edited, watched, way = run("edit-a-picture-practice"), run("attention-maps-practice"), inverted()
    save_thumbnails({"prompt-to-prompt": two_and_two(words), "masactrl": two_and_two(poses), "edit-a-picture": two_by_two(edited),
                     "attention-maps": two_by_two(watched)})
    return {
        "PromptToPrompt": {"without": row(words.without), "with": row(words.using), "picture": row(edited["The picture"] + edited["Edited"])},
        "MasaCtrl": {"without": row(poses.without), "with": row(poses.using)},
        "AttentionMaps": {"maps": row(watched["The picture"] + watched["Heat"])},
        "ShowAttentionMaps": {"heat": row(watched["Heat"]), "masks": row(watched["Masks"])},
        "DDIMInversion": {"way": way["way"]},
        "NullText": {"returns": way["returns"]},
        "FeatureAdaIN": {"with": aligned()},
        "LatentAdaIN": {"with": toned()},
        "PromptPerPicture": {"with": one_each()},
    }


def space_pages() -> dict[str, dict[str, Picture]]:
    """The same for nodes of space."""
    poster, boxes, fine = (run(f"{name}-practice") for name in ("two-region-poster", "layout-from-boxes", "tiled-refine"))
    around, five = run("all-around-practice"), compare("five-techniques-practice", "Without", "With all five")
    without, guided, each = (row(poster[title]) for title in ("Without", "With region prompts", "MultiDiffusion Regions"))
    save_thumbnails({"two-region-poster": column([row(poster["Without"][:2]), row(poster["With region prompts"][:2])], 10),
                     "layout-from-boxes": column([row(boxes["Without"][:2]), row(boxes["Backward guidance"][:2])], 10),
                     "all-around": column([*around["All around"], row(around["The halves"], 8)], 10),
                     "tiled-refine": row([scaled(picture, 256) for picture in fine["Enlarged"] + fine["Refined"]]),
                     "five-techniques": column([*five.without[:1], *five.using], 10)})  # fmt: skip
    return {
        "RegionGuidance": {"without": without, "with": guided, "boxes": column([row(boxes[title]) for title in boxes], 10)},
        "MultiDiffusionRegions": {"without": without, "with": each},
        "AddRegion": {"without": row(boxes["Without"]), "with": row(boxes["Paint with words"])},
    }


def save_help(control: Comparison, style: Comparison, wide: Comparison, seen: Comparison, layers: dict[str, list[Picture]], plain: list[Picture]) -> None:
    """The pictures of the help pages."""
    image, outline = scenes({}, {"picture": "two objects", "place": "left", "texture": "striped"}, {"picture": "random objects", "seed": 3},
                            {"picture": "mountains", "light": "sunset"})  # fmt: skip
    both = row(control.hint + control.using)
    pages = {
        "ApplyControlNet": {"without": row(control.without), "with": both},
        "StyleAligned": {"without": row(style.without), "with": row(style.using)},
        "MultiDiffusion": {"without": row(wide.without), "with": row(wide.using)},
        "LoadPracticeModel": {"pictures": row(plain)},
        "LoadPracticeControlNet": {"outline": row(control.hint), "with": row(control.using)},
        "LoadPracticeAdapter": {"reference": row(seen.hint), "with": row(seen.using)},
        "DecoupledCrossAttn": {"without": row(seen.without), "with": row(seen.hint + seen.using),
                               "layers": column([row(layers["The reference"] + layers[title]) for title in LAYERS])},
        "LoadImageAdapter": {"with": row(seen.hint + seen.using)},
        "DecoupledPrompt": {"with": second_prompt()},
        "PracticeScene": {"image": image, "outline": outline},
        **editing_pages(),
        **space_pages(),
    }
    for node, pictures in pages.items():
        for name, picture in pictures.items():
            save(picture, DOCS / f"Concord_{node}" / f"{name}.png")


def save_thumbnails(sheets: dict[str, Picture]) -> None:
    """One for each practice workflow, square as the editor shows them; the real-model twins show the same picture and say so."""
    for name, sheet in sheets.items():
        thumbnail = scaled(squared(framed(sheet, 6)), 400)
        save(thumbnail, WORKFLOWS / f"{name}-practice.jpg")
        for twin in (name, *(alone for alone, of in ALONE.items() if of == name)):
            if (WORKFLOWS / f"{twin}.json").exists():
                save(squared(column([line("shown on the practice model", 400, 15), scaled(thumbnail, 376)], 0)), WORKFLOWS / f"{twin}.jpg")


def hero(control: Comparison, style: Comparison, wide: Comparison, all_three: Comparison) -> Picture:
    """One sheet for the README."""
    width, gap = 1100, 10
    tile = (width - 4 * gap) // 5
    strip = lambda pictures, w: row([scaled(p, w) for p in pictures], gap)
    parts = [
        line("ControlNet: one outline, four pictures that follow it", width, 22), strip(control.hint + control.using, tile),
        line("StyleAligned: one prompt, four seeds; then the same four in the style of the first", width, 22),
        row([strip(style.without, (width - 9 * gap) // 8), strip(style.using, (width - 9 * gap) // 8)], 3 * gap),
        line("MultiDiffusion: four times as wide as the model's own pictures", width, 22), scaled(wide.using[0], width),
        line("All three on one model, in any order: outline, one style, panoramas", width, 22), strip(all_three.hint + all_three.using[:1], (width - gap) // 2),
        strip(all_three.using[1:], (width - gap) // 2),
    ]  # fmt: skip
    return framed(column(parts, gap), 24)


def two_and_two(comparison: Comparison) -> Picture:
    """The first two without above the first two with."""
    return column([row(comparison.without[:2]), row(comparison.using[:2])], 10)


def two_by_two(made: dict[str, list[Picture]]) -> Picture:
    """The first four pictures of a workflow."""
    first = [picture for pictures in made.values() for picture in pictures][:4]
    return column([row(first[:2]), row(first[2:])], 10)


def main() -> None:
    torch.set_num_threads(1)
    plain = run("text-to-image-practice")["Four pictures"]
    control = compare("controlnet-practice", "Without", "With ControlNet")
    style = compare("style-aligned-practice", "Without", "With StyleAligned")
    wide = compare("panorama-practice", "One canvas", "Windows")
    all_three = compare("controlnet-style-panorama-practice", "Without", "With all three")
    seen, layers = compare("image-prompt-practice", "Without", "With image prompt"), run("style-transfer-practice")
    two = compare("two-controlnets-practice", "Without masks", "With masks")
    both = compare("controlnet-image-prompt-practice", "Without", "With both")
    save_help(control, style, wide, seen, layers, plain)
    save_thumbnails({
        "text-to-image": column([row(plain[:2]), row(plain[2:])]), "controlnet": two_and_two(control), "style-aligned": two_and_two(style),
        "panorama": column([*wide.without, *wide.using], 10), "controlnet-style-panorama": column(all_three.hint + all_three.using),
        "two-controlnets": two_and_two(two), "image-prompt": column([row([seen.hint[0], seen.without[0]]), row(seen.using[:2])]),
        "style-transfer": column([row([layers["The reference"][0], layers[LAYERS[0]][0]]), row(layers[LAYERS[1]][:2])]),
        "controlnet-image-prompt": column([row(both.hint), row(both.using[:2])]),
    })  # fmt: skip
    save(hero(control, style, wide, all_three), HERO)


if __name__ == "__main__":
    main()
