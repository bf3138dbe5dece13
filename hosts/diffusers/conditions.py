"""One prediction: what each branch says about x, its entries stacked into as few network calls as fit, and averaged where they overlap."""
from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from ...processors.edit import Stage
from ...processors.features.group_norm import norms_shared
from ...processors.looking import Enough
from ...processors.rows import WORDS
from ...processors.run import Run, told
from ...processors.strips import Said, Strip, fuse
from ...processors.views import in_frames, views_of
from .control_net import arguments
from .entries import Entry
from .memory import rows_that_fit
from .model import Model
from .unet import editing, sites
from .windows import cut

Conditions = Mapping[str, Sequence[Entry]]  # branch -> its entries


def evaluate(model: Model, conds: Conditions, x: Tensor, sigma: Tensor, run: Run) -> dict[str, Tensor]:
    """-> the clean latent that each branch predicts, [B, C, H, W], through windows where the program has some.

    x [B, C, H, W] at noise levels sigma [B]. Where no entry of a branch acts, it predicts 0.
    """
    run.calls += 1
    step = run.step(float(sigma[0]), ())
    views = views_of(step, (x.shape[-2], x.shape[-1]))
    if not views:
        return {branch: total / count for branch, (total, count) in stack(model, conds, x, sigma, run, model.rows_per_call).items()}

    def predict(strip: Strip, seen: Tensor) -> list[Said]:
        cuts = {branch: [part for entry in entries for part in cut(entry, strip, run)] for branch, entries in conds.items()}
        said = stack(model, cuts, seen, sigma, run, rows_that_fit(model, views[0][2:4]))
        return [(total / count, count if strip.marked else None) for total, count in said.values()]

    return dict(zip(conds, fuse(step, views, x, predict), strict=True))


def stack(model: Model, conds: Conditions, x: Tensor, sigma: Tensor, run: Run, most_rows: int | None) -> dict[str, tuple[Tensor, Tensor]]:
    """The entries of all branches in as few network calls as fit: of each branch the weighed sum of what they predict, and the sum of their weights."""
    sums = {branch: torch.zeros_like(x) for branch in conds}
    counts = {branch: torch.full_like(x, 1e-37) for branch in conds}
    level = float(sigma[0])
    acting = [entry for entries in conds.values() for entry in entries if entry.acts(level)]
    leads = run.step(level, ()).leads
    first = [entry for entry in acting if entry.branch == leads]
    rest = [entry for entry in acting if entry.branch != leads]
    for call in (*_calls(first, len(x), most_rows), *_calls(rest, len(x), most_rows)):
        inputs = torch.cat([_seen(x, entry) for entry in call])
        outputs = call_network(model, inputs, sigma.repeat(len(call)), call, run).chunk(len(call))
        for entry, output in zip(call, outputs, strict=True):
            _add(sums[entry.branch], entry, output * entry.weight)
            _add(counts[entry.branch], entry, entry.weight)
    return {branch: (sums[branch], counts[branch]) for branch in conds}


def call_network(model: Model, x: Tensor, sigma: Tensor, entries: Sequence[Entry], run: Run) -> Tensor:
    """The one place where the network is called: x [R, C, h, w], sigma [R] -> clean latents [R, C, h, w], rows in the order of `entries`, samples inside."""
    level = sigma.view(-1, 1, 1, 1)
    scaled = x / (level**2 + 1) ** 0.5
    context = _stack_texts([entry.context for entry in entries])
    added = {key: torch.cat([entry.added[key] for entry in entries]) for key in entries[0].added}
    labels = [(entry.branch, entry.index, entry.seen, entry.context.shape[1], entry.cond.get(WORDS, "")) for entry in entries]
    rows = run.program.lanes.rows(labels, run.samples)
    step = in_frames(run.step(float(sigma[0]), rows))
    control = entries[0].control
    residuals = control and control.residuals(scaled, sigma, context, added, len(entries), model.sampling, step)
    context, pooled = told(step, context, added.get("text_embeds"))
    added = added if pooled is None else {**added, "text_embeds": pooled}
    places = run.once("sites", lambda: sites(model.network))
    try:
        with editing(places, run.program.at(Stage.ATTENTION, step), step, (x.shape[-2], x.shape[-1])), norms_shared(step):
            noise = model.network(
                scaled.to(model.dtype), model.sampling.timestep(sigma).float(), encoder_hidden_states=context, added_cond_kwargs=added or None,
                **arguments(residuals, model.dtype), return_dict=False,
            )[0]
    except Enough:
        return torch.zeros_like(x)
    return x - noise.to(x) * level


def _calls(entries: list[Entry], batch: int, most_rows: int | None) -> Iterator[list[Entry]]:
    """Stacks of entries that run in one call: ComfyUI's order, the last one first, halves and thirds of a stack that is too large."""
    left = list(entries)
    while left:
        stack = [entry for entry in reversed(left) if entry.stacks_with(left[0])]
        sizes = (len(stack) // parts for parts in range(1, len(stack) + 1))
        stack = stack[: next((size for size in sizes if most_rows is None or size * batch <= most_rows), 1)]
        left = [entry for entry in left if entry not in stack]
        yield stack


def _stack_texts(contexts: list[Tensor]) -> Tensor:
    """Shorter prompts are repeated to the common length: repeating all keys of a softmax changes nothing."""
    length = math.lcm(*(context.shape[1] for context in contexts))
    return torch.cat([context.repeat(1, length // context.shape[1], 1) for context in contexts])


def _seen(x: Tensor, entry: Entry) -> Tensor:
    return entry.view.crop(x) if entry.view else x


def _add(canvas: Tensor, entry: Entry, t: Tensor) -> None:
    if entry.view:
        entry.view.add(canvas, t)
    else:
        canvas += t
