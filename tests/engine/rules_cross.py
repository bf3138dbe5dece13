"""The naive truth of cross-attention techniques, and of copies, as their papers write them."""
from __future__ import annotations

from collections.abc import Sequence
from math import log1p, sqrt

import torch
from concord.processors.edit import Order
from concord.tests.engine.truth import Asked, Part, Rule, Scene, State, Taken
from torch import Tensor


def adapter(tokens: dict[str, Tensor], weight: float, mask: Tensor | None = None) -> tuple[Rule, ...]:
    def act(scene: Scene, now: State, before: State) -> None:
        for i, row in enumerate(scene.step.rows):
            k, v = (t[0] for t in scene.site.project(tokens[row.branch][None]))
            probabilities = (scene.q[i] @ k.mT / sqrt(k.shape[-1])).softmax(-1)
            now[i] = [*now[i], Taken({"image": probabilities}, {"image": v}, weight if mask is None else weight * scene.mask(mask))]

    return (Rule(Order.TERMS, "cross", act),)


def regions(texts: tuple[Tensor, ...], masks: tuple[Tensor, ...]) -> tuple[Rule, ...]:
    def act(scene: Scene, now: State, before: State) -> None:
        shares = [scene.mask(mask) for mask in masks]
        claimed = sum(shares)
        for i in scene.takers(branch="positive"):
            asked: Asked = now[i][0]
            now[i] = [asked._replace(gate=(1 - claimed).clamp(min=0))]
            for j, (text, share) in enumerate(zip(texts, shares, strict=True)):
                k, v = (t[0] for t in scene.site.project(text[None]))
                now[i].append(Asked(asked.q, {f"region {j}": Part(k, v)}, share / claimed.clamp(min=1), asked.heat))

    return (Rule(Order.REGIONS, "cross", act),)


def paint(maps: Tensor, strength: float) -> tuple[Rule, ...]:
    def act(scene: Scene, now: State, before: State) -> None:
        on_grid = scene.maps(maps).T
        for i in scene.takers(branch="positive"):
            for j, asked in enumerate(now[i]):
                if "own" in asked.parts:
                    own = asked.parts["own"]
                    top = (asked.q @ own.k.mT / sqrt(own.k.shape[-1])).max()
                    now[i][j] = asked.with_own(bias=own.bias + strength * log1p(scene.step.sigma) * top * on_grid)

    return (Rule(Order.SCORES, "cross", act),)


def forward(moved: Sequence[tuple[Tensor, tuple[int, ...]]], start: tuple[int, ...], end: tuple[int, ...], amount: float = 0.8) -> tuple[Rule, ...]:
    def act(scene: Scene, now: State, before: State) -> None:
        inside = [scene.mask(mask) for mask, _ in moved]
        together = torch.stack(inside).amax(0)
        where = [*zip(inside, (tokens for _, tokens in moved), strict=True), (1 - together, start), (together, end)]
        for i in scene.takers(branch="positive"):
            now[i] = [gather(t, where, amount) for t in now[i]]

    def gather(t: Taken, where: Sequence[tuple[Tensor, tuple[int, ...]]], amount: float) -> Taken:
        columns = {name: t.gate * p for name, p in t.columns.items()}
        for shown, tokens in where if "own" in columns else ():
            at = list(tokens)
            kept = columns["own"][..., at]
            there = shown / shown.sum() if shown.any() else shown  # a window may see nothing of a region: its words belong elsewhere
            columns["own"][..., at] = (1 - amount) * kept + amount * there * kept.sum(-2, keepdim=True)
        return Taken(columns, t.values)

    return (Rule(Order.OUTPUT, "cross", act),)


def reweight(weights: Tensor) -> tuple[Rule, ...]:
    def act(scene: Scene, now: State, before: State) -> None:
        for i in scene.takers("target", "positive"):
            now[i] = [t._replace(values={name: v * weights[:, None] if name == "own" else v for name, v in t.values.items()}) for t in now[i]]

    return (Rule(Order.VALUES, "cross", act),)


def copies(on: str, mapping: Tensor | None = None, alpha: Tensor | None = None) -> tuple[Rule, ...]:
    def act(scene: Scene, now: State, before: State) -> None:
        for i in scene.takers("target", "positive"):
            theirs, mine = before[scene.giver(i, "source")], before[i]
            values = {name: v for t in reversed(mine) for name, v in t.values.items()}
            columns = mine[0].columns["own"].shape[-1]
            a = torch.ones(columns, dtype=torch.float64) if alpha is None else alpha[scene.step.number]
            swap = torch.eye(columns, dtype=torch.float64) if mapping is None else mapping
            maps = lambda t, a=a, swap=swap: {name: p @ swap * a if name == "own" else p for name, p in t.columns.items()}
            copied = [Taken(maps(t), {name: values.get(name, v) for name, v in t.values.items()}, t.gate) for t in theirs]
            if a.any():
                now[i] = copied + [Taken({"own": t.columns["own"] * (1 - a)}, t.values, t.gate) for t in mine if "own" in t.columns]

    return (Rule(Order.COPIES, on, act),)
