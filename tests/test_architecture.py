"""The rules of the design that a reader of files can check: which way imports point, what no file may do, what no file may say."""
from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("processors", "model_loaders", "nodes", "hosts", "practice", "tools")
FILES = sorted(path for folder in OURS for path in (ROOT / folder).rglob("*.py")) + [ROOT / "__init__.py", ROOT / "cli.py"]
HOST = ("comfy", "comfy_api", "comfy_extras", "comfy_execution", "nodes", "folder_paths", "execution", "server", "diffusers", "transformers", "accelerate")
MODEL_LIBRARIES = {"depth.py": ("transformers",), "soft_edge.py": ("kornia",)}  # of model_loaders; ComfyUI requires both


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, as an absolute name: `.rows` in processors/run.py is concord.processors.rows."""
    package = ("concord", *path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if not node.level:
                yield node.module or ""
                continue
            base = package[: len(package) - node.level + 1]
            yield from (".".join((*base, node.module)) if node.module else ".".join((*base, alias.name)) for alias in node.names)


def below(path: Path, *folders: str) -> bool:
    return any(path.is_relative_to(ROOT / folder) for folder in folders)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path):
    for name in imports(path):
        head, *rest = name.split(".")
        place = rest[0] if head == "concord" and rest else ""
        if below(path, "processors"):
            assert place in ("", "processors"), f"processors know nothing above them: {name}"
            assert head in ("concord", "torch", "kornia") or head in ("__future__", *stdlib()), f"processors are pure torch: {name}"
        if below(path, "model_loaders"):
            assert place in ("", "processors", "model_loaders"), f"loaders know the maths, nothing above them: {name}"
            lazy = MODEL_LIBRARIES.get(path.name, ())  # where the network itself is theirs
            assert head in ("concord", "torch", "safetensors", *lazy, *stdlib()), f"loaders need torch and safetensors alone: {name}"
        if not below(path, "hosts") and path.name != "_api.py" and not below(path, "practice"):
            loads_it = below(path, "model_loaders") and head in MODEL_LIBRARIES.get(path.name, ())
            assert head not in HOST or loads_it, f"only hosts/ and nodes/_api.py import a host: {name}"
        if below(path, "nodes"):
            assert place != "hosts" or path.name == "_api.py", f"nodes reach their host through _api: {name}"
        if below(path, "hosts/comfy"):
            assert head not in ("diffusers", "transformers"), f"ComfyUI users need no diffusers: {name}"
            assert not name.startswith("concord.hosts.diffusers"), name
        if below(path, "hosts/diffusers"):
            assert head not in ("comfy", "comfy_api", "folder_paths", "nodes"), name
        assert head != "concord" or name.startswith("concord."), name


def stdlib() -> frozenset[str]:
    import sys

    return sys.stdlib_module_names


def test_all_imports_of_the_pack_are_relative():
    """The pack's folder may have any name."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            absolute = isinstance(node, ast.ImportFrom) and not node.level
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""] if absolute else []
            assert not [name for name in names if name.split(".")[0] == "concord"], path


@pytest.mark.parametrize("path", [path for path in FILES if below(path, "processors")], ids=lambda path: str(path.relative_to(ROOT)))
def test_the_engine_keeps_no_state_and_does_not_wait_for_the_device(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
            called = ast.unparse(node.value.func)
            assert not called.startswith(("torch.", "dict", "list", "set")), f"{path}: a module-level {called} remembers"
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Global), path
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            inside_feed = path.name == "edit.py"  # the id of an edit is made when it is attached, not in a layer
            assert inside_feed or node.func.attr not in ("item", "cpu", "numpy", "tolist"), f"{path}:{node.lineno} waits for the device"


def test_files_stay_small():
    long = {str(path.relative_to(ROOT)): lines for path in FILES if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 260}
    assert not long, f"over 260 lines there are usually two ideas: {long}"


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout: no list of the project's own files")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_file_knows_the_machine_that_it_was_made_on():
    texts = {".py", ".md", ".toml", ".json", ".js", ".txt", ".yml", ".yaml", ".cfg", ""}
    # written in pieces, so that this file does not find itself
    forbidden = re.compile("|".join(("/" + "work/", "/" + "root/", "/" + "home/[a-z]", "/" + "opt/py")))
    for path in tracked():
        if path.suffix in texts and path.stat().st_size < 2_000_000:
            found = forbidden.search(path.read_text(encoding="utf-8", errors="ignore"))
            assert not found, f"{path}: {found and found.group()}"


def test_nothing_downloads_or_runs_text_as_code():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("eval", "exec", "compile", "os.system", "__import__"), f"{path}:{node.lineno} {called}"
                assert not called.startswith(("urllib.", "requests.", "httpx.")), f"{path}:{node.lineno} {called}"
                if called == "torch.load":
                    safe = [k for k in node.keywords if k.arg == "weights_only" and isinstance(k.value, ast.Constant) and k.value.value is True]
                    assert safe, f"{path}:{node.lineno} torch.load without weights_only=True"
                if called.endswith(".from_pretrained"):
                    assert any(k.arg == "local_files_only" for k in node.keywords), f"{path}:{node.lineno} may download"
