"""The context finds what lies inside its folders and nothing else."""
from __future__ import annotations

from pathlib import Path

import pytest
from concord.hosts.diffusers.graph.context import Context, current, using
from concord.processors.errors import ConcordError


@pytest.fixture
def context(tmp_path: Path) -> Context:
    for name in ("controlnet/canny.safetensors", "t2i_adapter/sketch.pth", "unet/a/b.SFT", "loras/readme.txt", "diffusers/sd/model_index.json", "secret.ckpt"):
        (tmp_path / "models" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "models" / name).touch()
    return Context(models=tmp_path / "models", input=tmp_path / "in", output=tmp_path / "out")


def test_names_are_relative_and_of_model_files(context: Context) -> None:
    assert context.names("controlnet") == ["canny.safetensors", "sketch.pth"]
    assert context.names("diffusion_models") == context.names("unet") == ["a/b.SFT"]
    assert context.names("loras") == context.names("clip") == []
    assert context.names("diffusers") == ["sd"]


def test_find(context: Context) -> None:
    assert context.find("controlnet", "sketch.pth") == context.models / "t2i_adapter" / "sketch.pth"
    assert context.find("diffusion_models", "a\\b.SFT") == context.find("unet", "a/b.SFT") == context.models / "unet" / "a" / "b.SFT"
    assert context.find("diffusers", "sd").is_dir()


@pytest.mark.parametrize("name", ["../secret.ckpt", "a/../../secret.ckpt", "..\\secret.ckpt", "/etc/passwd", "C:\\secret.ckpt", "", ".", "a\0b", "//host/x"])
def test_names_cannot_leave_the_folder(context: Context, name: str) -> None:
    with pytest.raises(ConcordError, match="inside the folder was expected"):
        context.find("loras", name)


def test_links_cannot_leave_the_folder(context: Context) -> None:
    (context.models / "loras" / "x.ckpt").symlink_to(context.models / "secret.ckpt")
    (context.models / "loras" / "up").symlink_to(context.models)
    for name in ("x.ckpt", "up/secret.ckpt"):
        with pytest.raises(ConcordError, match="a link that leads out of"):
            context.find("loras", name)
    assert context.names("loras") == []


def test_a_linked_folder_is_followed(context: Context, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "vae.pt").touch()
    (context.models / "vae").symlink_to(tmp_path / "elsewhere")
    assert context.names("vae") == ["vae.pt"] and context.find("vae", "vae.pt").is_file()


@pytest.mark.parametrize(
    ("folder", "name", "words"),
    [
        ("controlnet", "cany.safetensors", 'did you mean "canny.safetensors"'),
        ("loras", "ink.safetensors", "holds no model files; put it there as"),
        ("vae", "x.pt", "there is no folder"),
        ("loras", "readme.txt", "is not a model file"),
        ("diffusers", "none", "holds sd"),
        ("input", "photo.png", "there is no folder"),
    ],
)
def test_what_is_missing_is_told(context: Context, folder: str, name: str, words: str) -> None:
    with pytest.raises(ConcordError, match=words) as caught:
        context.find(folder, name)
    assert str(caught.value).startswith(f"{folder} ") and name in str(caught.value)


def test_current_is_the_run_s_own(context: Context) -> None:
    assert current() == Context()
    with using(context):
        assert current() is context
    assert current() == Context()
