"""GLIGEN's boxes under windows: every window sees those that lie in it, as if it were the picture."""
from __future__ import annotations

import hostkit as kit
import torch
from comfy import gligen
from comfy.ldm.modules.attention import BasicTransformerBlock
from comfy.model_patcher import ModelPatcher
from concord.hosts.comfy.windows import with_boxes
from concord.processors.rows import View
from techniques import assert_differs, assert_same, model
from windows import SIZE, by_hand, in_windows


def check_gligen_boxes_are_cut_to_windows():
    """Boxes in cells of the canvas."""
    grounded = small_gligen()
    boxes = [(text_of(5), 4, 3, 2, 1), (text_of(6), 8, 8, 0, 6), (text_of(7), 2, 2, 6, 14)]  # text, h, w, y, x

    def seen_from(start: int):
        found = []
        for text, h, w, y, x in boxes:
            left, right = max(x, start), min(x + w, start + SIZE)
            if left < right:
                found.append((text, h, right - left, y, left - start))
        return found

    prompt = lambda boxes: (kit.conditioning(1, gligen=("position", grounded, boxes)), kit.conditioning(2))
    assert_same(in_windows(*prompt(boxes)), by_hand(lambda start: prompt(seen_from(start))))
    assert_differs(in_windows(*prompt(boxes)), in_windows(*prompt([])))
    assert len(seen_from(0)) == 2 and len(seen_from(8)) == 2


def text_of(seed: int):
    return torch.randn(1, 64, generator=torch.Generator().manual_seed(seed))


def small_gligen():
    blocks = [module for module in model().model.diffusion_model.modules() if isinstance(module, BasicTransformerBlock)]
    modules = [gligen.GatedSelfAttentionDense(block.attn2.to_q.in_features, 32, 2, 8) for block in blocks]
    network = kit.fill(gligen.Gligen(modules, gligen.PositionNet(64, 32), 64), 3)
    for module in network.module_list:
        module.alpha_attn.data.fill_(0.8)
        module.alpha_dense.data.fill_(0.5)
    cpu = torch.device("cpu")
    return ModelPatcher(network, load_device=cpu, offload_device=cpu)


def check_boxes_over_the_edge():
    """In a window that goes on at the other side, a box is seen on both; what lies outside of all is left out."""
    told = {"gligen": ("position", None, [("a", 2, 4, 1, 13), ("b", 1, 2, 0, 1), ("c", 2, 2, 5, 6)])}
    seen = with_boxes(told, View(0, 12, 6, 8, (8, 16)))
    assert seen["gligen"] == ("position", None, [("a", 2, 3, 1, 1), ("b", 1, 2, 0, 5)]), seen
    assert with_boxes({"mask": 1}, View(0, 0, 6, 8, (8, 16))) == {"mask": 1}
