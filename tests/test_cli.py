"""The command line: exit codes, one line per error, nothing left behind."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from concord.cli import main
from concord.tests.processes import BOOT, ROOT
from PIL import Image

API = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}, "_meta": {"title": "My picture"}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
}


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a workflow `w.json` and its input picture, to work in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input").mkdir()
    Image.new("RGB", (4, 4), "red").save(tmp_path / "input" / "a.png")
    (tmp_path / "w.json").write_text(json.dumps(API))
    return tmp_path


def test_run(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "w.json", "--device", "cpu", "--set", "2.filename_prefix=sub/y"]) == 0
    assert capsys.readouterr() == (f"{Path('out/sub/y_00001_.png')}\n", "")
    assert main(["run", "out/sub/y_00001_.png", "--device", "cpu", "--out", "again", "-q"]) == 0  # the picture carries the changed workflow
    assert (at / "again" / "sub" / "y_00001_.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "none.json"], "none.json: No such file"),
        (["run", "w.json", "--input", "nowhere"], 'node 1 (LoadImage \'My picture\'): input "image": input has no "a.png": there is no folder nowhere'),
        (["run", "w.json", "--set", "2"], '--set "2": node.input=value was expected'),
        (["run", "w.json", "--set", "7.image=x"], 'no node has the id, title or class "7"'),
        (["run", "w.json", "--set", "Saveimage.filename_prefix=x"], 'did you mean "SaveImage"?'),
        (["run", "w.json", "--set", "SaveImage.prefix=x"], 'node 2 (SaveImage) has no input "prefix"; it has images, filename_prefix'),
        (["run", "w.json", "--set", "2.filename_prefix=../x"], "node 2 (SaveImage): filename_prefix '../x' would lie outside of out"),
        (["run", "w.json", "--device", "nonsense"], '--device "nonsense" cannot be used'),
        (["nodes", "LoadImge"], "did you mean LoadImage?"),
    ],
)
def test_user_errors_are_one_line_and_exit_2(at: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and words in err and err.count("\n") == 1
    assert not list(at.rglob("*_.png"))


def test_titles_and_classes_are_addresses(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "w.json", "--device", "cpu", "--set", "My picture.image=a.png [input]", "--set", 'SaveImage.filename_prefix="7"']) == 0
    assert capsys.readouterr().out == f"{Path('out/7_00001_.png')}\n"
    (at / "two.json").write_text(json.dumps(API | {"3": API["2"]}))
    assert main(["run", "two.json", "--set", "SaveImage.filename_prefix=x"]) == 2
    assert '2 nodes are called "SaveImage"; name one by its id: 2, 3' in capsys.readouterr().err


def test_seed_reaches_every_seed(at: Path) -> None:
    from concord.hosts.diffusers.graph.edits import seed_all
    from concord.hosts.diffusers.graph.prompt import Prompt
    from concord.tests.graph_fakes import REGISTRY, call

    prompt = Prompt({"1": call("Make"), "2": call("Make", seed=["1", 1]), "3": call("Unknown", noise_seed=1), "4": call("Tell")})
    seed_all(prompt, 9, REGISTRY)
    assert [prompt.calls[i]["inputs"].get("seed") for i in "124"] == [9, ["1", 1], None] and prompt.calls["3"]["inputs"]["noise_seed"] == 9
    seed_all(still := Prompt({"4": call("Tell")}), 9, REGISTRY)
    assert still.notes == ["--seed changed nothing: no node has a seed of its own"]


def test_check(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "w.json"]) == 0
    assert capsys.readouterr().out == "w.json: can run (2 nodes)\n"
    bad = {"1": {"class_type": "LoadImag", "inputs": {}}, "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}}}
    (at / "bad.json").write_text(json.dumps(bad))
    assert main(["check", "w.json", "bad.json"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "w.json: can run (2 nodes)" and lines[-1] == "bad.json: 2 problems"
    assert "did you mean LoadImage" in lines[1] and 'input "filename_prefix" is missing' in lines[2]


def test_nodes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nodes"]) == 0
    assert "\nSaveImage " in capsys.readouterr().out
    assert main(["nodes", "save image"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("SaveImage: Save Image (image)") and "  images: a link from a IMAGE output" in out and "Start of the file's name" in out


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for child processes")
def test_stopping_leaves_nothing_and_exits_130(at: Path) -> None:
    code = (
        BOOT
        + """
import time
from concord.hosts.diffusers.core import images_io
from concord import cli
from PIL import Image
def slow(self, file, **_):
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    time.sleep(60)
Image.Image.save = slow
sys.exit(cli.main(sys.argv[1:]))
"""
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(ROOT), "run", "w.json", "--device", "cpu"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err == "stopped\n"
    assert sorted(p.name for p in at.rglob("*") if p.is_file()) == ["a.png", "w.json"]


def test_help_is_quick_and_without_torch(python: Callable[..., Any]) -> None:
    code = "from concord.cli import main\ntry: main(sys.argv[1:])\nexcept SystemExit as stop: print(stop.code, 'torch' in sys.modules)"
    for arguments in (["--help"], ["run", "--help"], ["nodes", "--help"]):
        assert python(code, *arguments).stdout.rstrip().endswith("0 False")


def test_arguments_for_pytest_are_passed_on(at: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    monkeypatch.setattr(pytest, "main", lambda arguments: given.append(arguments) or 1)
    assert main(["test"]) == 1 == main(["test", "-q", "tests/test_cli.py", "--collect-only"])
    assert given == [["-m", "not slow", "-n", "auto", "--dist", "worksteal"], ["-q", "tests/test_cli.py", "--collect-only"]] and Path.cwd() == ROOT
    with pytest.raises(SystemExit, match="2"):
        main(["nodes", "--unknown"])
