"""LoRA: https://arxiv.org/abs/2106.09685 -> new MODEL and CLIP with merged weights; what was loaded stays as it is, all other weights are shared."""
from __future__ import annotations

import copy
import logging
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from ....processors.errors import ConcordError
from ..model import Model
from .build import listed
from .clip import Clip
from .files import read_tensors
from .lora_keys import OTHER_KINDS, split_part, text_layers, unet_layers
from .unet_keys import shape_of

M = TypeVar("M", bound=nn.Module)
Layers = dict[str, dict[str, Tensor]]  # the file's layer names -> up, down, middle, alpha, diff, bias


def apply_lora(model: Model, clip: Clip | None, path: Path, model_strength: float, clip_strength: float) -> tuple[Model, Clip | None]:
    """Weight + strength * alpha / rank * up @ down. A file of which nothing fits is refused; what does not fit of others is logged."""
    file = read_layers(path)
    used: set[str] = set()
    network = merged(model.network, file, unet_layers(model.network.state_dict(), shape_of(model.network.state_dict())), model_strength, used, path.name)
    model = replace(model, network=network)
    if clip is not None:
        towers = []
        for tower in clip.towers:
            layers = text_layers(tower.network.state_dict(), tower.name)
            towers.append(replace(tower, network=merged(tower.network, file, layers, clip_strength, used, path.name)))
        clip = replace(clip, towers=tuple(towers))
    _report(file, used, path.name, clip is None)
    return model, clip


def read_layers(path: Path) -> Layers:
    layers: Layers = {}
    for name, tensor in read_tensors(path).items():
        if kind := next((kind for ending, kind in OTHER_KINDS.items() if name.endswith(f".{ending}")), None):
            raise ConcordError(f"{path.name} is a {kind} file ({name}), which is not supported outside ComfyUI yet. LoRA and LoCon files fit.")
        if found := split_part(name):
            layers.setdefault(found[0], {})[found[1]] = tensor
    if not any("up" in layer or "diff" in layer for layer in layers.values()):
        raise ConcordError(f"{path.name} holds no LoRA layers (no lora_up, lora_B or diff tensors). Choose a LoRA file.")
    return layers


def merged(network: M, file: Layers, names: dict[str, str], strength: float, used: set[str], label: str) -> M:
    """A copy of the network that shares all weights but the changed ones. Adds the layers that fit to `used`."""
    parameters, changed = dict(network.named_parameters()), {}
    for name, layer in file.items():
        if (module := names.get(name)) is None:
            continue
        used.add(name)
        for parameter, delta in ((f"{module}.weight", weight_delta(layer)), (f"{module}.bias", layer.get("bias"))):
            if delta is None:
                continue
            weight = changed.get(parameter, parameters[parameter])
            if delta.numel() != weight.numel():
                raise ConcordError(f"{label} was made for another model: {name} changes {list(delta.shape)}, the layer here is {list(weight.shape)}.")
            changed[parameter] = (weight.float() + strength * delta.reshape(weight.shape).to(weight.device)).to(weight.dtype)
    if strength == 0 or not changed:
        return network
    shared = {id(parameter): nn.Parameter(changed[name], requires_grad=False) if name in changed else parameter for name, parameter in parameters.items()}
    return copy.deepcopy(network, shared)


def weight_delta(layer: dict[str, Tensor]) -> Tensor | None:
    """-> alpha / rank * up @ down, [out, in * kernel], float32."""
    if "diff" in layer:
        return layer["diff"].float()
    if "up" not in layer or "down" not in layer:
        return None
    up, down = layer["up"].float(), layer["down"].float()
    scale = float(layer["alpha"]) / len(down) if "alpha" in layer else 1.0
    if "middle" in layer:  # LoCon's Tucker form: the kernel stands between the two
        down = torch.einsum("abyx,bi->aiyx", layer["middle"].float(), down.flatten(1))
    return scale * (up.flatten(1) @ down.flatten(1))


def _report(file: Layers, used: set[str], label: str, only_model: bool) -> None:
    unused = [name for name in file if name not in used and not (only_model and name.startswith(("lora_te", "text_encoder")))]
    if not used:
        raise ConcordError(f"{label} fits no layer of this model (it has {listed(file)}). Choose a LoRA for the model's family.")
    if unused:
        logging.getLogger(__name__).warning("%s: %d of %d layers are not in this model: %s", label, len(unused), len(file), listed(unused))
