"""How many rows fit into one call of the network, from the memory that is free."""
from __future__ import annotations

import os

import torch

from .model import Model

CELL = 0.01 * 2**20  # of a row's bytes per latent cell and per byte of a number, as ComfyUI counts a UNet's activations
ROOM = 1.5  # times that must be free
UNKNOWN = 2 * 2**30  # bytes that are counted on where a device cannot be asked


def rows_that_fit(model: Model, size: tuple[int, int]) -> int:
    """Rows of h x w latent cells: the model's own bound if it has one, else what free memory holds; at least 1."""
    if model.rows_per_call is not None:
        return model.rows_per_call
    return max(1, int(free_bytes(model.device) / (ROOM * CELL * size[0] * size[1] * model.dtype.itemsize)))


def free_bytes(device: torch.device) -> int:
    """Free memory on a device."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "cpu" and hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return UNKNOWN
