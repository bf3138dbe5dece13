"""Small things that takers borrow from the rows that give to them, whether those are in the same model call or were in an earlier one."""
from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from .errors import ConcordError
from .run import Step


def lent(parts: tuple[Tensor, ...], givers: Sequence[int | tuple], step: Step, key: Hashable) -> tuple[Tensor, ...]:
    """parts [R, ...], one row for each of the call -> of each taker's giver, [T | 1, ...].

    What lanes that the run keeps have is recorded under `key` for later calls of this prediction; a `key` is asked once a call.
    """
    bank = record(parts, step, key)
    if all(isinstance(giver, int) for giver in givers):
        at = step.run.index[tuple(givers), parts[0].device] if len(set(givers)) > 1 else slice(givers[0], givers[0] + 1)
        return tuple(part[at] for part in parts)
    if missing := next((giver for giver in givers if not isinstance(giver, int) and giver not in bank), None):
        lane, group, branch, *_ = missing
        raise ConcordError(f"no {lane} image of group {group} in this {branch} call, and none was recorded before it; it must be in the same batch")
    found = [tuple(part[giver : giver + 1] for part in parts) if isinstance(giver, int) else bank[giver] for giver in givers]
    return tuple(torch.cat(column) for column in zip(*found, strict=True))


def record(parts: tuple[Tensor, ...], step: Step, key: Hashable) -> dict:
    """What was recorded under `key` in this prediction, with what this call has to give."""
    if not step.run.keep:
        return {}
    bank = step.run.bank(step.call).setdefault(key, {})
    for i, row in enumerate(step.rows):
        if row.lane in step.run.keep:
            bank[(row.lane, row.group, *row.place)] = tuple(part[i : i + 1] for part in parts)
    return bank


def sample_of(giver: int | tuple, step: Step) -> int:
    """Which image of the batch a giver is."""
    if isinstance(giver, int):
        return step.rows[giver].sample
    lane, group, *_ = giver
    return next(sample for sample, role, of in step.run.program.lanes.roles if (role, of) == (lane, group))
