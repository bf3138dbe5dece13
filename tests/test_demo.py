"""The demo: every shipped practice workflow, and one sheet of all pictures."""
from __future__ import annotations

from pathlib import Path

import pytest
from concord.cli import main
from concord.tests.processes import ROOT
from PIL import Image


@pytest.mark.slow
def test_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    assert "out/demo/gallery.png" in out
    for workflow in (ROOT / "workflows" / "api").glob("*-practice.json"):
        assert workflow.stem.removesuffix("-practice").replace("-", " ") in err
        assert list(Path("out/demo").glob(f"{workflow.stem}*_.png")), workflow
    with Image.open("out/demo/gallery.png") as sheet:
        assert min(sheet.size) > 400
