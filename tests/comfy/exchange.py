"""Values that cross between two processes: what JSON holds as JSON, tensors as safetensors, in one folder."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file


def save(value: Any, folder: Path) -> None:
    """Writes nested dicts, lists, numbers, strings, None and tensors (also shared or strided ones)."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, torch.Tensor] = {}

    def plain(item: Any) -> Any:
        if isinstance(item, torch.Tensor):
            key = f"tensor{len(tensors)}"
            tensors[key] = item.detach().clone().contiguous()
            return {"$tensor": key}
        if isinstance(item, dict):
            return {str(key): plain(entry) for key, entry in item.items()}
        if isinstance(item, (list, tuple)):
            return [plain(entry) for entry in item]
        return str(item) if isinstance(item, Path) else item

    (folder / "value.json").write_text(json.dumps(plain(value)))
    save_file(tensors, folder / "tensors.safetensors")


def load(folder: Path) -> Any:
    """Reads what `save` wrote."""
    tensors = load_file(folder / "tensors.safetensors")

    def rich(item: dict) -> Any:
        return tensors[item["$tensor"]] if "$tensor" in item else item

    return json.loads((folder / "value.json").read_text(), object_hook=rich)
