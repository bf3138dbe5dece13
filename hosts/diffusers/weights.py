"""What tells one network's weights from another's."""
from __future__ import annotations

import hashlib

import torch
from torch.nn import Module

from ...processors.edit import feed

FEW = 4  # values of each tensor: LoRAs and other checkpoints change them all


def weights_of(network: Module) -> str:
    """A digest of a few values of every weight."""
    digest = hashlib.sha256()
    feed(digest, torch.cat([weight.detach().flatten()[:FEW].float() for weight in network.parameters()]))
    return digest.hexdigest()[:16]
