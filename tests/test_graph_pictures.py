"""Pictures in and out: ComfyUI's names, channels and text chunks; nothing outside the folders, nothing half-written."""
from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from concord.hosts.diffusers.core.images_io import LoadImage, LoadImageMask, PreviewImage, SaveImage, picture_path
from concord.hosts.diffusers.graph.context import Context, using
from concord.hosts.diffusers.graph.execute import execute
from concord.hosts.diffusers.graph.files import read
from concord.hosts.diffusers.graph.pictures import expand, save
from concord.hosts.diffusers.graph.prompt import Prompt
from concord.hosts.diffusers.graph.registry import Registry
from concord.processors.errors import ConcordError
from PIL import Image

GREY = torch.full((2, 4, 6, 3), 0.5)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    return Context(input=tmp_path / "in", output=tmp_path / "out")


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_numbers_go_on(tmp_path: Path) -> None:
    save(GREY, "run", tmp_path, {})
    (tmp_path / "run_00007_.png").touch()
    (tmp_path / "runner_00099_.png").touch()
    written = save(GREY, "run", tmp_path, {})
    assert [w["filename"] for w in written] == ["run_00008_.png", "run_00009_.png"]
    assert written[0] == {"filename": "run_00008_.png", "subfolder": "", "type": "output"}


def test_folders_and_variables(tmp_path: Path) -> None:
    save(GREY, "a/b/%width%x%height%_%batch_num%", tmp_path, {})
    assert names(tmp_path) == ["a/b/6x4_0_00001_.png", "a/b/6x4_1_00002_.png"]
    now = datetime(2026, 3, 4, 5, 6, 7)
    assert expand("%date:yyyy-MM-dd%/%date:hhmmss%", 1, 1, now) == "2026-03-04/050607"
    assert expand("%year%-%month%-%day%_%hour%%minute%%second%%unknown%", 1, 1, now) == "2026-03-04_050607%unknown%"


@pytest.mark.parametrize("prefix", ["../x", "a/../../x", "/tmp/x", "C:\\x", "..\\x", "", "a/..", "x\0"])
def test_no_file_outside(tmp_path: Path, prefix: str) -> None:
    out = tmp_path / "out"
    with pytest.raises(ConcordError, match="would lie outside"):
        save(GREY, prefix, out, {})
    assert names(tmp_path) == []


def test_no_file_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "up").symlink_to(tmp_path)
    with pytest.raises(ConcordError, match="leads out of"):
        save(GREY, "up/x", tmp_path / "out", {})


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError])
def test_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]) -> None:
    def stop(self: Image.Image, file: object, **_: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise failure

    monkeypatch.setattr(Image.Image, "save", stop)
    with pytest.raises(failure):
        save(GREY, "x", tmp_path, {})
    assert names(tmp_path) == []


def test_channels(tmp_path: Path) -> None:
    for channels, mode in ((1, "L"), (3, "RGB"), (4, "RGBA")):
        (written,) = save(torch.full((1, 2, 2, channels), 0.999), "c", tmp_path, {})
        picture = Image.open(tmp_path / written["filename"])
        assert picture.mode == mode and np.asarray(picture).max() == 254  # cut, not rounded


def test_pictures_carry_the_workflow(context: Context) -> None:
    Image.new("RGB", (3, 2)).save(context.input / "a.png")
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "p"}},
    }
    prompt["3:4"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    with using(context):
        registry = Registry([LoadImage, SaveImage, PreviewImage])
    shown = execute(Prompt(json.loads(json.dumps(prompt))), registry, context, workflow={"nodes": [], "x": 1})
    assert names(context.output) == ["p_00001_.png", "preview/node-3-4_00001_.png"]
    assert shown["3:4"]["images"] == [{"filename": "node-3-4_00001_.png", "subfolder": "preview", "type": "output"}]
    back = read(context.output / "p_00001_.png")
    assert back.prompt == prompt and back.workflow == {"nodes": [], "x": 1}


def load(context: Context, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    with using(context):
        return LoadImage.execute(name).args


def test_alpha_becomes_an_inverted_mask(context: Context) -> None:
    Image.new("RGBA", (3, 2), (255, 0, 51, 51)).save(context.input / "a.png")
    image, mask = load(context, "a.png")
    assert image.shape == (1, 2, 3, 3) and mask.shape == (1, 2, 3)
    assert torch.allclose(image[0, 0, 0], torch.tensor([1.0, 0.0, 0.2])) and torch.allclose(mask, torch.tensor(0.8))
    with using(context):
        assert torch.allclose(LoadImageMask.execute("a.png", "blue").args[0], torch.tensor(0.2))
        assert torch.equal(LoadImageMask.execute("a.png", "alpha").args[0], mask)


def test_without_alpha_the_mask_is_empty(context: Context) -> None:
    Image.new("L", (3, 2), 255).save(context.input / "a.jpg")
    image, mask = load(context, "a.jpg")
    assert image.shape == (1, 2, 3, 3) and mask.shape == (1, 64, 64) and not mask.any()


def test_sixteen_bits_are_kept(context: Context) -> None:
    Image.fromarray(np.array([[0, 257, 32896, 65535]], dtype="uint16")).save(context.input / "deep.png")
    image, _ = load(context, "deep.png")
    assert torch.allclose(image[0, 0, :, 1], torch.tensor([0, 257 / 65535, 32896 / 65535, 1.0]))


def test_photographs_stand_upright(context: Context) -> None:
    photo = Image.new("RGB", (8, 4))
    exif = photo.getexif()
    exif[0x0112] = 6  # turned by a quarter
    photo.save(context.input / "photo.jpg", exif=exif)
    assert load(context, "photo.jpg")[0].shape == (1, 8, 4, 3)


def test_frames_become_a_batch(context: Context) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "green", "blue")]
    frames[0].save(context.input / "film.gif", save_all=True, append_images=frames[1:])
    image, mask = load(context, "film.gif")
    assert image.shape == (3, 4, 4, 3) and len(mask) == 3
    assert image[:, 0, 0].argmax(-1).tolist() == [0, 1, 2]


def test_annotated_names(context: Context) -> None:
    context.output.mkdir()
    for path in (context.input / "sub" / "a.png", context.output / "b.png"):
        Image.new("RGB", (1, 1)).save(path)
    with using(context):
        assert picture_path("sub/a.png [input]") == picture_path("sub/a.png") == context.input / "sub" / "a.png"
        assert picture_path("b.png [output]") == context.output / "b.png"
        assert 'no "x.png"' in str(LoadImage.validate_inputs("x.png"))
        assert LoadImage.validate_inputs("sub/a.png") is LoadImage.validate_inputs(None) is True
        assert "inside the folder" in str(LoadImage.validate_inputs("../out/b.png"))
        assert LoadImage.fingerprint_inputs("sub/a.png") == LoadImage.fingerprint_inputs("b.png [output]")
        with pytest.raises(ConcordError, match="passing pictures"):
            picture_path("b.png [temp]")


def test_files_that_are_no_pictures_are_named(context: Context) -> None:
    (context.input / "a.png").write_text("no picture")
    with pytest.raises(ConcordError, match="a.png is not a picture that can be read"):
        load(context, "a.png")
