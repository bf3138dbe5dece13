"""Textual inversions: `embedding:name` in a prompt -> the vectors in models/embeddings."""
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ....model_loaders.files import read_nested
from ....processors.errors import ConcordError

ENDINGS = ("", ".safetensors", ".pt", ".bin")


@dataclass(frozen=True)
class EmbeddingFolders:
    folders: tuple[Path, ...] = ()

    def find(self, text: str, key: str, width: int) -> tuple[Tensor, str]:
        """"name, more text" -> vectors [n, C], the text that follows. `key` picks a tower ("clip_l") in files for several."""
        name, _, rest = text.strip().partition(" ")
        if cut := re.search(r"[<\[]", name):
            name, rest = name[: cut.start()], f"{name[cut.start() :]} {rest}".rstrip()
        path = self._path(name)
        if path is None and name != (bare := name.strip(",")):
            path, name, rest = self._path(bare), bare, f"{name[len(bare) :]} {rest}"
        if path is None:
            where = ", ".join(map(str, self.folders)) or "no folder of embeddings is known here"
            raise ConcordError(f'the prompt asks for "embedding:{name}", which is not there ({where}). Put the file in models/embeddings or remove the word.')
        return _vectors(path, key, width), rest

    def _path(self, name: str) -> Path | None:
        """The first file of that name in the folders or their subfolders, never outside them."""
        for folder in self.folders:
            for place in (folder, *sorted(p for p in folder.rglob("*") if p.is_dir())):
                for ending in ENDINGS:
                    path = place / (name + ending)
                    if name and path.is_file() and path.resolve().is_relative_to(place.resolve()):
                        return path
        return None


def _vectors(path: Path, key: str, width: int) -> Tensor:
    content = read_nested(path)
    if isinstance(content, list):
        tensors = [t for part in content for t in part.values() if t.shape[-1] == width]
    elif isinstance(content.get("string_to_param"), dict):
        tensors = list(content["string_to_param"].values())[:1]
    elif key in content:
        tensors = [content[key]]
    else:
        bundled = [t for name, t in content.items() if name.startswith("bundle_emb.") and (".string_to_param." in name or name.endswith(f".{key}"))]
        tensors = bundled or [t for t in content.values() if isinstance(t, Tensor)][:1]
    if not tensors:
        raise ConcordError(f"{path.name} holds no textual inversion {width} wide: expected {key}, string_to_param or one tensor [n, {width}].")
    return torch.cat([t.float().reshape(-1, t.shape[-1]) for t in tensors])
