"""The naive truth of self-attention techniques, as their papers write them."""
from __future__ import annotations

from math import inf

import torch
from concord.processors.edit import Order
from concord.tests.engine.truth import Rule, Scene, State
from torch import Tensor


def like(x: Tensor, other: Tensor) -> Tensor:
    """AdaIN over tokens, as in the authors' code of StyleAligned."""
    deviation = lambda t: (t.var(-2, keepdim=True) + 1e-5).sqrt()
    return (x - x.mean(-2, keepdim=True)) / deviation(x) * deviation(other) + other.mean(-2, keepdim=True)


def style_aligned(shift: float, scale: float) -> tuple[Rule, ...]:
    def align(scene: Scene, now: State, before: State) -> None:
        for i in scene.takers(but="reference"):
            theirs = before[scene.giver(i, "reference")][0]
            now[i] = [a._replace(q=like(a.q, theirs.q)).with_own(k=like(a.parts["own"].k, theirs.parts["own"].k)) for a in now[i]]

    def share(scene: Scene, now: State, before: State) -> None:
        for i in scene.takers(but="reference"):
            part = before[scene.giver(i, "reference")][0].parts["own"]
            now[i] = [a._replace(parts={**a.parts, f"shared {shift} {scale}": part._replace(k=part.k * scale, bias=shift)}) for a in now[i]]

    return Rule(Order.STATISTICS, "self", align), Rule(Order.SEGMENTS, "self", share)


def adain(amount: float) -> tuple[Rule, ...]:
    """Of the values."""
    def act(scene: Scene, now: State, before: State) -> None:
        for i in scene.takers(but="reference"):
            theirs = before[scene.giver(i, "reference")][0].parts["own"].v
            now[i] = [a.with_own(v=(1 - amount) * a.parts["own"].v + amount * like(a.parts["own"].v, theirs)) for a in now[i]]

    return (Rule(Order.STATISTICS, "self", act),)


def masactrl(source_mask: Tensor | None = None, target_mask: Tensor | None = None) -> tuple[Rule, ...]:
    def act(scene: Scene, now: State, before: State) -> None:
        for i in scene.takers("target"):
            source = before[scene.giver(i, "source")][0].parts["own"]
            asked = now[i][0].with_own(k=source.k, v=source.v)
            if source_mask is None:
                now[i] = [asked]
                continue
            front, gate = scene.mask(source_mask, "nearest").T >= 0.5, scene.mask(target_mask, "nearest")
            hide = lambda out: torch.zeros(out.shape, dtype=torch.float64).masked_fill(out & ~out.all(), -inf)  # a window may see none of it: then all counts
            now[i] = [asked.with_own(bias=hide(~front))._replace(gate=gate), asked.with_own(bias=hide(front))._replace(gate=1 - gate)]

    return (Rule(Order.SOURCE, "self", act),)


def union() -> tuple[Rule, ...]:
    def act(scene: Scene, now: State, before: State) -> None:
        for i in scene.takers("target"):
            source = before[scene.giver(i, "source")][0].parts["own"]
            now[i] = [a._replace(parts={**a.parts, "source": source}) for a in now[i]]

    return (Rule(Order.SEGMENTS, "self", act),)


def frames() -> tuple[Rule, ...]:
    def act(scene: Scene, now: State, before: State) -> None:
        for i in scene.takers("frame"):
            first = before[scene.giver(i, "source")][0].parts["own"]
            now[i] = [now[i][0].with_own(k=first.k, v=first.v)]

    return (Rule(Order.SOURCE, "self", act),)


def style_id(keep: float, temperature: float) -> tuple[Rule, ...]:
    def act(scene: Scene, now: State, before: State) -> None:
        for i in scene.takers("target"):
            content, style = before[scene.giver(i, "source")][0], before[scene.giver(i, "reference")][0].parts["own"]
            mine = now[i][0].with_own(k=style.k, v=style.v)
            now[i] = [mine._replace(q=keep * content.q + (1 - keep) * mine.q, heat=temperature)]

    return (Rule(Order.SOURCE, "self", act),)


def infinite_id() -> tuple[Rule, ...]:
    def act(scene: Scene, now: State, before: State) -> None:
        for i in scene.takers("target"):
            other, own = before[scene.giver(i, "reference")][0].parts["own"], now[i][0].parts["own"]
            moved = other._replace(k=other.k - other.k.mean(-2, keepdim=True) + own.k.mean(-2, keepdim=True),
                                   v=other.v - other.v.mean(-2, keepdim=True) + own.v.mean(-2, keepdim=True))
            now[i] = [a._replace(parts={"identity": moved, **a.parts}) for a in now[i]]

    return (Rule(Order.SEGMENTS, "self", act),)


def sharpen(by: float) -> tuple[Rule, ...]:
    """Of every kind of site."""
    def act(scene: Scene, now: State, before: State) -> None:
        for i, asked in enumerate(now):
            now[i] = [a._replace(heat=a.heat * by) for a in asked]

    return Rule(Order.SCORES, "self", act), Rule(Order.SCORES, "cross", act)
