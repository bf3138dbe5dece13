"""The region editor's own tests in Node.js, and that what it makes is what the pack reads."""
from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from concord.processors.regions_text import parse

ROOT = Path(__file__).parents[1]
WEB = ROOT / "web"
TESTS = sorted((ROOT / "tests" / "web").glob("*.test.mjs"))


def node(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs Node.js 20 or newer; skips, and says so, where there is none."""
    found = shutil.which("node")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout if found else ""
    if not found or int(version.lstrip("v").split(".")[0] or 0) < 20:
        pytest.skip(f"the region editor is not tested: Node.js 20 or newer is needed, found {version.strip() or 'none'}")
    return subprocess.run([found, *arguments], capture_output=True, text=True, encoding="utf-8", check=False, timeout=300)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_in_node(path: Path):
    done = node("--test", "--test-reporter=tap", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^# pass [1-9]", done.stdout, re.MULTILINE)


def test_the_pack_reads_whatever_a_hand_can_draw():
    done = node(str(ROOT / "tests" / "web" / "walk.mjs"), "25")
    assert done.returncode == 0, done.stderr
    texts = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(texts) > 500
    for text in texts:
        regions = parse(text)
        assert len(regions) == len(json.loads(text or "[]")), text


def test_comfyui_loads_one_file_and_the_rest_comes_with_it():
    """ComfyUI imports every .js file below web/; modules that it need not know end in .mjs and are reached from there."""
    assert [path.relative_to(WEB).as_posix() for path in WEB.rglob("*.js")] == ["regions.js"]
    reached, waiting = set(), [WEB / "regions.js"]
    while waiting:
        path = waiting.pop()
        reached.add(path)
        for name in re.findall(r'^import .*"([^"]+)";$', path.read_text(encoding="utf-8"), re.MULTILINE):
            if name.startswith("../../scripts/"):
                assert path.name == "regions.js", f"{path.name} should know nothing of ComfyUI"
            elif (other := (path.parent / name).resolve()) not in reached:
                waiting.append(other)
    assert reached == {WEB / "regions.js", *WEB.rglob("*.mjs")}


def test_nothing_is_evaluated_fetched_or_patched():
    never = re.compile(r"\beval\(|new Function|innerHTML|\bfetch\(|XMLHttpRequest|https?://(?!www\.w3\.org/2000/svg)|\.prototype\b|globalThis|window\.\w+ =")
    for path in [*WEB.rglob("*.js"), *WEB.rglob("*.mjs")]:
        found = never.search(path.read_text(encoding="utf-8"))
        assert not found, f"{path.name}: {found and found.group()}"
