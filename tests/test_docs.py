"""Help pages, locales and the README, against the nodes and commands that they are about."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from concord.cli import _parser
from concord.nodes import all_nodes
from concord.tools import locales
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "web" / "docs"
SCHEMAS = {schema.node_id: schema for schema in (node.define_schema() for node in all_nodes())}
LANGUAGES = ("en", "zh")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def page(node: str, language: str) -> str:
    return (DOCS / node / f"{language}.md").read_text(encoding="utf-8")


def test_pages_are_of_nodes() -> None:
    assert {folder.name for folder in DOCS.iterdir()} == set(SCHEMAS)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("node", SCHEMAS)
def test_page_names_its_node_and_every_input(node: str, language: str) -> None:
    text = page(node, language)
    names = texts(language, "nodeDefs")[node]
    assert text.startswith(f"# {names['display_name']}\n")
    for taken in SCHEMAS[node].inputs:
        assert re.search(rf"\b{taken.id}\b", text, re.ASCII), f"{taken.id} is not explained"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("node", SCHEMAS)
def test_pictures_show_in_comfyui_and_on_github(node: str, language: str) -> None:
    """ComfyUI resolves paths from web/docs, GitHub from the page's folder and without styles: each picture stands there once for each."""
    shown = re.findall(r'<img src="([^"]+)" alt=""><img src="([^"]+)" alt="[^"]+" loading="lazy" style="display:none">', page(node, language))
    assert shown and page(node, language).count("<img") == 2 * len(shown)
    for in_comfyui, on_github in shown:
        assert DOCS / in_comfyui == DOCS / node / on_github
        with Image.open(DOCS / in_comfyui) as picture:
            extremes = [channel for band in picture.convert("RGB").getextrema() for channel in band]
            assert max(extremes) - min(extremes) > 100, f"{in_comfyui} shows nothing"


def test_both_languages_have_the_same_pictures_and_sections() -> None:
    for node in SCHEMAS:
        pages = [page(node, language) for language in LANGUAGES]
        assert len({tuple(re.findall(r'src="([^"]+)"', text)) for text in pages}) == 1, node
        assert len({text.count("\n## ") for text in pages}) == 1, node


def texts(language: str, name: str) -> dict[str, Any]:
    return json.loads((ROOT / "locales" / language / f"{name}.json").read_text(encoding="utf-8"))


def paths(tree: Any, at: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """The paths of all texts, none of which may be empty."""
    if isinstance(tree, dict):
        return {path for name, branch in tree.items() for path in paths(branch, (*at, name))} | {at}
    assert isinstance(tree, str) and tree, at
    return {at}


def test_english_is_what_the_schemas_say() -> None:
    for path, text in locales.files().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is old; run `python -m concord.tools.locales`"


@pytest.mark.parametrize("name", ["main", "nodeDefs"])
def test_chinese_has_every_text(name: str) -> None:
    assert paths(texts("zh", name)) == paths(texts("en", name))


def test_chinese_is_chinese() -> None:
    for node, entry in texts("zh", "nodeDefs").items():
        told = [entry["description"], *(text["tooltip"] for text in [*entry["inputs"].values(), *entry["outputs"].values()])]
        assert all(re.search("[一-鿿]", text) for text in told), node


def test_readme_has_a_row_for_every_node() -> None:
    for node in SCHEMAS:
        assert f"](web/docs/{node}/en.md)" in README, node


def test_readme_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README) + re.findall(r'src="([^"]+)"', README)
    local = [target for target in targets if not target.startswith("https://")]
    assert local and not [target for target in local if not (ROOT / target).exists()]


def test_readme_commands_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"\bmake ([a-z][a-z-]*)", README))
    assert {"demo", "test"} <= targets and all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    shown = [line for block in re.findall(r"```(?:sh|console)?\n(.*?)```", README, re.DOTALL) for line in block.splitlines() if line.startswith("concord ")]
    assert {line.split()[1] for line in shown} >= {"run", "check", "nodes", "demo", "test"}
    for line in shown:
        words = shlex.split(line, comments=True)[1:]
        assert _parser().parse_args(words), line


def test_checks_beside_other_nodes_exist() -> None:
    """Every row of docs/with-other-nodes.md names what shows it: checks that the tests run."""
    tests = ROOT / "tests" / "comfy"
    run = {script for file in tests.glob("test_*.py") for script in re.findall(r'"(\w+)\.py"', file.read_text(encoding="utf-8"))}
    text = (ROOT / "docs" / "with-other-nodes.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.endswith("| checks |")]
    assert len(rows) > 20 and all(re.search(r"`\w+\.check_\w+`", row.rsplit("|", 2)[1]) for row in rows)
    for script, check in re.findall(r"`(\w+)\.(check_\w+)`", text):
        assert script in run and f"\ndef {check}(" in (tests / "scripts" / f"{script}.py").read_text(encoding="utf-8"), f"{script}.{check}"


def test_hero_is_a_picture_for_the_web() -> None:
    hero = ROOT / "docs" / "hero.jpg"
    assert hero.stat().st_size < 400_000 and "docs/hero.jpg" in README
    with Image.open(hero) as picture:
        assert picture.width >= 800
