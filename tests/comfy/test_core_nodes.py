"""Our core nodes take and give what ComfyUI's do: names, order, defaults, limits, and the values for the same inputs."""
from __future__ import annotations

import pytest
import torch
from concord.hosts.diffusers.core import conditioning, control, encoding, latent, latent_size, regions, sampling
from concord.nodes import nodes_of
from torch.nn.functional import avg_pool2d, interpolate

from ..sampling_models import noise, text
from .versions import version

DEEP = True  # in older hosts: slow
MODULES = (conditioning, control, encoding, latent, latent_size, regions, sampling)
EXTRAS = {"SetUnionControlNetType"}  # not among the nodes that a host has without its extras: test_union_type_node runs it
NODES = {node.define_schema().node_id: node for module in MODULES for node in nodes_of(module) if node.define_schema().node_id not in EXTRAS}
FEWER_CHOICES = {"sampler_name", "scheduler"}
WIDER_SINCE_0_33 = {"LatentFromBatch"}

IMAGE, MASK = noise(2, 41, 52, 3).sigmoid(), (noise(1, 20, 30, seed=1) > 1).float()
LATENT = {"samples": noise(4, 4, 9, 13)}
INDEXED = {**LATENT, "batch_index": [3, 4, 4, 7], "noise_mask": noise(3, 1, 8, 8)}
LONG, SHORT = text(1, 154, strength=0.5), text(2)
POOLLESS = [[SHORT[0][0], {}]]

CALLS = {
    "EmptyLatentImage": [dict(width=72, height=104, batch_size=3)],
    "LatentFromBatch": [dict(samples=LATENT, batch_index=1, length=2), dict(samples=INDEXED, batch_index=-2, length=9),
                        dict(samples=LATENT, batch_index=99, length=1)],
    "RepeatLatentBatch": [dict(samples=LATENT, amount=2), dict(samples={**LATENT, "batch_index": [3, 4, 4, 7]}, amount=3),
                          dict(samples={**LATENT, "noise_mask": noise(4, 1, 8, 8)}, amount=2)],
    "LatentUpscale": [dict(samples=LATENT, upscale_method=method, width=160, height=96, crop=crop)
                      for method in ("nearest-exact", "bilinear", "area", "bicubic", "bislerp") for crop in ("disabled", "center")]
                     + [dict(samples=LATENT, upscale_method="bilinear", width=w, height=h, crop="disabled") for w, h in ((0, 0), (0, 200), (200, 0), (8, 8))],
    "LatentUpscaleBy": [dict(samples=LATENT, upscale_method="bislerp", scale_by=1.7),
                        dict(samples={"samples": torch.zeros(1, 4, 5, 5)}, upscale_method="bislerp", scale_by=2.0)],
    "SetLatentNoiseMask": [dict(samples=LATENT, mask=MASK)],
    "VAEEncode": [dict(pixels=IMAGE, vae="a vae")],
    "VAEDecode": [dict(samples=LATENT, vae="a vae")],
    "VAEEncodeForInpaint": [dict(pixels=IMAGE, vae="a vae", mask=MASK, grow_mask_by=grow) for grow in (0, 1, 6, 7)],
    "ConditioningCombine": [dict(conditioning_1=LONG, conditioning_2=SHORT)],
    "ConditioningConcat": [dict(conditioning_to=LONG + SHORT, conditioning_from=SHORT)],
    "ConditioningAverage": [dict(conditioning_to=to, conditioning_from=source, conditioning_to_strength=0.3)
                            for to, source in ((LONG, SHORT), (SHORT + LONG, LONG), (POOLLESS, SHORT), (SHORT, POOLLESS))],
    "ConditioningZeroOut": [dict(conditioning=LONG + POOLLESS)],
    "ConditioningSetArea": [dict(conditioning=LONG, width=72, height=80, x=16, y=24, strength=0.7)],
    "ConditioningSetAreaPercentage": [dict(conditioning=LONG, width=0.3, height=0.4, x=0.1, y=0.2, strength=0.7)],
    "ConditioningSetMask": [dict(conditioning=LONG, mask=mask, strength=0.7, set_cond_area=area)
                            for mask in (MASK, MASK[0]) for area in ("default", "mask bounds")],
    "ConditioningSetTimestepRange": [dict(conditioning=LONG, start=0.2, end=0.7)],
}


class Vae:
    """A stand-in whose latents are averages of 8 x 8 pixels."""

    def encode(self, image):
        return avg_pool2d(image.movedim(-1, 1), 8)

    def decode(self, latent):
        return interpolate(latent, scale_factor=8).movedim(1, -1)


def plain(value):
    """Tuples as lists: what comes back from the other process has none."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key != "downscale_ratio_spacial"}  # a hint for models of other latents
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def assert_same(ours, theirs, path: str = "") -> None:
    if isinstance(theirs, torch.Tensor):
        assert ours.shape == theirs.shape, path
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5, msg=path)
    elif isinstance(theirs, dict | list):
        pairs = theirs.items() if isinstance(theirs, dict) else enumerate(theirs)
        assert len(ours) == len(theirs), f"{path}: {list(ours)}"
        for key, value in pairs:
            assert_same(ours[key], value, f"{path}.{key}")
    else:
        assert ours == theirs, path


@pytest.mark.parametrize("node", CALLS)
def test_values(in_host, node):
    for inputs in CALLS[node]:
        theirs = in_host("core_nodes.py", "call", node=node, inputs=inputs)
        ours = NODES[node].execute(**{name: Vae() if value == "a vae" else value for name, value in inputs.items()}).args
        assert_same(plain(ours), plain(theirs), node)


@pytest.mark.parametrize("node", NODES)
def test_inputs(comfy, in_host, node):
    theirs, ours = in_host("core_nodes.py", "schema", node=node), NODES[node].define_schema()
    assert [entry.id for entry in ours.inputs] == list(theirs["inputs"])
    for entry in ours.inputs:
        kind, *limits = theirs["inputs"][entry.id]
        if node in WIDER_SINCE_0_33 and version(comfy) < (0, 33):
            continue
        assert limits == [getattr(entry, key, None) for key in ("default", "min", "max", "step")], entry.id
        if isinstance(kind, list):
            assert (set(entry.options) <= set(kind) and entry.options[0] in kind) if entry.id in FEWER_CHOICES else entry.options == kind
        else:
            assert entry.io_type == kind, entry.id
    assert [out.io_type for out in ours.outputs] == theirs["outputs"]
