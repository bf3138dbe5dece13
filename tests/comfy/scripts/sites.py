"""Every attention of the host's network is found, in the order in which it runs, and models know their size."""
from __future__ import annotations

import hostkit as kit
import torch
from concord.hosts.comfy import host


def check_native_sizes():
    assert host.native_pixels(kit.unet()) == 512 and host.native_pixels(kit.unet(sdxl=True)) == 1024
    assert host.native_pixels(host.practice_model()[0]) == 128


def check_every_site_is_seen():
    """16 cross- and 16 self-attentions in SD 1.x; the host calls our function at each of them, and in this order."""
    from concord.hosts.comfy.unet import sites
    from concord.processors.edit import AttentionEdit, Order

    seen = []

    class Witness(AttentionEdit):
        technique, order = "Witness", Order.SCORES

        def rewrite(self, plan, site, step):
            seen.append((site.kind, site.index, site.stage, site.grid))
            return plan

    model = kit.unet()
    listed = sites(model.model.diffusion_model)
    kit.sample(host.attach(model, Witness()), kit.conditioning(1), kit.conditioning(2), torch.zeros(1, 4, 9, 13), steps=1, cfg=1.0)
    assert [s[:3] for s in seen] == [(site.kind, site.index, site.stage) for _, _, site in listed]
    assert [kind for kind, *_ in seen].count("cross") == [kind for kind, *_ in seen].count("self") == 16
    assert {stage: [s[3] for s in seen if s[2] == stage][0] for stage in ("down", "mid", "up")} == {"down": (9, 13), "mid": (2, 2), "up": (3, 4)}
