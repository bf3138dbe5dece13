"""What the nodes of one headless run may know about the machine: folders, device, dtype, and where to tell how far they are."""
from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from ....processors.errors import ConcordError

if TYPE_CHECKING:
    import torch

# ComfyUI's folder keys and the folders under `models` that serve each; any other key is a folder of its own name.
FOLDERS = {
    "controlnet": ("controlnet", "t2i_adapter"),
    "diffusion_models": ("diffusion_models", "unet"),
    "unet": ("diffusion_models", "unet"),
    "text_encoders": ("text_encoders", "clip"),
    "clip": ("text_encoders", "clip"),
}
MODEL_FILES = frozenset({".safetensors", ".sft", ".ckpt", ".pt", ".pt2", ".pth", ".bin", ".pkl"})


class FileNames(list[str]):
    """Names of files for a combo; that it also knows their folder lets a check say where a missing one was looked for."""

    def __init__(self, names: Iterable[str], folder: str) -> None:
        super().__init__(names)
        self.folder = folder


@dataclass(frozen=True)
class Context:
    """Folders, device and progress of one run; `current()` gives a node the one it runs in.

    Folder keys are ComfyUI's ("checkpoints", "loras", "vae", ...), and "input" and "output". Names in workflows are not trusted: `find` gives
    only what lies inside the key's folders. `dtype` None means: as the weights are, float32 on a CPU. `progress(value, total, label)`.
    """

    models: Path = Path("models")
    input: Path = Path("input")
    output: Path = Path("output")
    device: str = "cpu"
    dtype: torch.dtype | None = None
    progress: Callable[[int, int, str], None] | None = None

    def folders(self, folder: str) -> list[Path]:
        if folder in ("input", "output"):
            return [getattr(self, folder)]
        return [self.models / name for name in FOLDERS.get(folder, (folder,))]

    def names(self, folder: str) -> FileNames:
        """Names that `find` accepts, sorted, with / between folders; for "diffusers" they are folders with a model_index.json."""
        return FileNames(sorted({path.relative_to(root).as_posix() for root in self.folders(folder) for path in _entries(root, folder)}), folder)

    def find(self, folder: str, name: str) -> Path:
        """The file (for "diffusers": the folder) of that name; ConcordError tells where it was looked for and what is there."""
        inside = _inside(folder, name)
        for root in self.folders(folder):
            path = root / inside
            if not path.exists():
                continue
            if not path.resolve().is_relative_to(root.resolve()):
                raise ConcordError(f'{folder} "{name}" is a link that leads out of {root}; put the file itself there')
            if not _fits(path, folder):
                raise ConcordError(f'{folder} "{name}" in {root} is not {_wanted(folder)}')
            return path
        raise ConcordError(f'{folder} has no "{name}": {"; ".join(self._seen(root, folder) for root in self.folders(folder))}{self._closest(folder, name)}')

    def step(self, value: int, total: int, label: str = "") -> None:
        """Tell that `value` of `total` steps are done."""
        if self.progress is not None:
            self.progress(value, total, label)

    def _seen(self, root: Path, folder: str) -> str:
        if not root.is_dir():
            return f"there is no folder {root}"
        names = sorted(path.relative_to(root).as_posix() for path in _entries(root, folder))
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        return f"{root} holds {', '.join(names[:8]) + more if names else f'no {_wanted(folder, several=True)}'}"

    def _closest(self, folder: str, name: str) -> str:
        close = get_close_matches(name, self.names(folder), n=1)
        return f'; did you mean "{close[0]}"?' if close else f"; put it there as {self.folders(folder)[0] / name}"


_running: ContextVar[Context | None] = ContextVar("concord_context", default=None)


def current() -> Context:
    """The context of the run that the caller is part of; outside a run: ./models, ./input and ./output on the CPU."""
    return _running.get() or Context()


@contextmanager
def using(context: Context) -> Iterator[Context]:
    """Inside the `with`, `current()` gives this context."""
    token = _running.set(context)
    try:
        yield context
    finally:
        _running.reset(token)


def _inside(folder: str, name: str) -> PurePosixPath:
    path = PurePosixPath(str(name).replace("\\", "/"))  # workflows saved on Windows write backslashes
    if not path.parts or path.is_absolute() or ".." in path.parts or PureWindowsPath(name).drive or "\0" in name:
        raise ConcordError(f'{folder} "{name}": a name of a file inside the folder was expected, without .. and not absolute')
    return path


def _entries(root: Path, folder: str) -> Iterator[Path]:
    real = root.resolve()
    for parent, folders, files in os.walk(root):
        for name in folders if folder == "diffusers" else files:
            path = Path(parent, name)
            if _fits(path, folder) and path.resolve().is_relative_to(real):
                yield path


def _fits(path: Path, folder: str) -> bool:
    if folder == "diffusers":
        return (path / "model_index.json").is_file()
    return path.is_file() and (folder in ("input", "output") or path.suffix.lower() in MODEL_FILES)


def _wanted(folder: str, several: bool = False) -> str:
    if folder == "diffusers":
        return "folders with a model_index.json" if several else "a folder with a model_index.json"
    if folder in ("input", "output"):
        return "files" if several else "a file"
    return "model files" if several else f"a model file ({' '.join(sorted(MODEL_FILES))})"
