"""Networks for hints as files have them, with random weights: DexiNed in its one size, depth models in small ones."""
from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch

PICTURES = {"image_processor_type": "DPTImageProcessor", "do_resize": True, "size": {"height": 56, "width": 56}, "keep_aspect_ratio": True,
            "ensure_multiple_of": 14, "resample": 3, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "do_pad": False,
            "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}  # fmt: skip


@cache
def dexined() -> Any:
    from kornia.filters.dexined import DexiNed

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return DexiNed(pretrained=False).eval().requires_grad_(False)


def save_depth(folder: Path, kind: str, **pictures: Any) -> Path:
    """A folder as transformers saves it; `pictures` changes its preprocessor_config.json."""
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config, DPTConfig, DPTForDepthEstimation

    small = dict(hidden_size=32, num_hidden_layers=4, num_attention_heads=2)
    neck = dict(neck_hidden_sizes=[8] * 4, fusion_hidden_size=8)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if kind == "dpt":
            network = DPTForDepthEstimation(DPTConfig(image_size=56, patch_size=14, intermediate_size=64, backbone_out_indices=[0, 1, 2, 3], **small, **neck))
        else:
            backbone = Dinov2Config(image_size=56, patch_size=14, out_indices=[1, 2, 3, 4], reshape_hidden_states=False, apply_layernorm=True, **small)
            network = DepthAnythingForDepthEstimation(DepthAnythingConfig(backbone_config=backbone, reassemble_hidden_size=32, head_hidden_size=8, **neck))
        for name, weight in network.named_parameters():
            if name.startswith("head.") and name.endswith("bias"):
                weight.data += 0.5  # else rectifiers at the end leave nothing of so small a network
    network.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PICTURES | pictures))
    return folder
