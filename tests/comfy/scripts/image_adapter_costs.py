"""What image adapters cost inside the host: every site asks once a run, a step has one attention more a site, an inactive step nothing."""
from collections import Counter as Counts

import hostkit as kit
import torch
from concord.hosts.comfy import host
from concord.model_loaders.image_adapter import read_image_adapter
from concord.processors.attention.image_prompt import image_prompt
from costs import Counter, Numbered, answering_percents
from image_adapter import WIDTHS, adapter_tensors, apply, draw, tower
from techniques import assert_same

WIDE = [64] * 4 + [128] * 50 + [64] * 6 + [128] * 10  # the cross-attentions of kit.unet(sdxl=True) with as many transformer layers as XL has
OPERATIONS = 15  # of torch, for one more attention with its reshaping, a mask and a sum
SIGMA = 5  # of torch, for a prediction to learn which step it is


def watched(model, counts):
    """The model with every attention counted."""
    def override(function, *args, **kwargs):
        counts["attention"] += 1
        return function(*args, **kwargs)

    model = model.clone()
    model.model_options["transformer_options"] = {**model.model_options.get("transformer_options", {}), "optimized_attention_override": override}
    return model


def check_every_site_fires():
    """16 in Stable Diffusion 1.x, 70 in XL, each with its own published number, the middle last."""
    deep = dict(transformer_depth=[0, 0, 2, 2, 10, 10], transformer_depth_output=[0, 0, 0, 2, 2, 2, 10, 10, 10], transformer_depth_middle=10)
    for widths, model, down, mid in ((WIDTHS, kit.unet(), 6, 1), (WIDE, kit.unet(sdxl=True, **deep), 24, 10)):
        asked, count = Numbered(widths), len(widths)
        edits = image_prompt(torch.ones(1, 4, 64), None, asked)
        kit.sample(host.attach(model, *edits), kit.conditioning(1), kit.conditioning(2), torch.zeros(1, 4, 8, 8), steps=2)
        assert sorted(asked.numbers) == list(range(count)), "once each, in a run of two steps"
        order = {number: place for place, number in enumerate(asked.numbers)}
        middle = [order[number] for number in range(count - mid, count)]  # numbered last
        assert middle == list(range(down, down + mid)), "the middle runs after the way down"


def run(patched, steps: int) -> Counts:
    with Counter() as counter:
        draw(watched(patched, counter.counts), steps=steps)
    return counter.counts


def check_costs():
    """A run with an adapter: its keys and values once, its mask once a size. A step of it: one more attention a site and nothing else that is heavy;
    a step without its part of the run: nothing at all."""
    model, adapter = answering_percents(kit.unet(context_dim=768)), read_image_adapter(adapter_tensors(), "own")
    mask = torch.rand(1, 40, 40)

    def step(patched) -> dict:
        """Operations of the third step of a run: those of three steps without those of two."""
        two, three = (run(patched, steps) for steps in (2, 3))
        return {name: three[name] - two[name] for name in set(two) | set(three)}

    draw(model)  # what a process does once is not counted
    alone, whole = run(model, 2), run(apply(model, adapter, tower(), mask=mask), 2)
    assert whole["linear"] - alone["linear"] == 2 * 16 and whole["resize"] - alone["resize"] == 4, (alone, whole)
    plain, pictured = step(model), step(apply(model, adapter, tower(), mask=mask))
    assert pictured["linear"] == plain["linear"] and pictured.get("resize", 0) == plain.get("resize", 0), (plain, pictured)
    assert pictured["attention"] == plain["attention"] + 16 and pictured["all"] - plain["all"] <= 16 * OPERATIONS, (plain, pictured)
    early = apply(model, adapter, tower(), mask=mask, end_percent=0.01)
    never = step(early)
    assert all(never.get(name, 0) == plain.get(name, 0) for name in ("linear", "resize", "attention")) and never["all"] - plain["all"] <= SIGMA, (plain, never)
    assert pictured["sync"] == never["sync"] <= plain.get("sync", 0) + 1, "a prediction looks at its sigma, layers look at nothing"
    assert_same(draw(early, steps=1), draw(apply(model, adapter, tower(), mask=mask), steps=1))
