"""What a site computes is a plan; edits rewrite plans; each term runs once on the host's fused kernel.

    out[row] = sum over terms:  gate * softmax(temperature * q [k1; k2; ...]^T / sqrt(d) + [b1; b2; ...]) [mix1 v1; mix2 v2; ...]

R rows, H heads, N query tokens, M key tokens, D channels per head:  q [R, H, N, D];  k, v [R, H, M, D].
Probabilities are never materialised: (P M) V = P (M V), so what a technique does to columns of P is kept beside V as `mix`.
"""
from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from .errors import ConcordError

Attend = Callable[[Tensor, Tensor, Tensor, "Tensor | None"], Tensor]  # q, k, v, bias -> a new [R, H, N, D], which may be written to
Change = Callable[..., "tuple[Term, ...]"]


class Index(dict):
    """Rows -> how to take them from a tensor: a slice where they are evenly spaced (a view), else an index made once per run and device."""

    def __missing__(self, key: tuple[tuple[int, ...], torch.device]) -> slice | Tensor:
        rows, device = key
        step = rows[1] - rows[0] if rows[1:] else 1
        even = step > 0 and rows == tuple(range(rows[0], rows[0] + step * len(rows), step))
        self[key] = slice(rows[0], rows[-1] + 1, step) if even else torch.tensor(rows, device=device)
        return self[key]


class Segment(NamedTuple):
    """One named slice of a term's keys. Segments of one term share its softmax."""

    name: str  # "own" for the model's keys, else the id of the edit that added it
    k: Tensor
    v: Tensor
    bias: Tensor | float | None = None  # [R|1, H|1, N|1, M|1]; finite, even where it hides
    mix: Tensor | None = None  # [M of k, M of v]: the columns of P as the values see them

    def values(self) -> Tensor:
        return self.v if self.mix is None else self.mix.to(self.v) @ self.v

    def cut(self, m: int) -> Segment:
        """Its first `m` keys."""
        bias = self.bias[..., :m] if isinstance(self.bias, Tensor) else self.bias  # one bias for all keys stays one
        return self._replace(k=self.k[..., :m, :], v=self.v[..., :m, :], bias=bias)


class Term(NamedTuple):
    """One softmax."""

    q: Tensor
    segments: tuple[Segment, ...]
    gate: Tensor | float = 1.0  # [R|1, 1, N, 1]
    temperature: float = 1.0

    def on(self, name: str, change: Callable[[Segment], Segment]) -> Term:
        """The same term with `change` applied to the segments of that name."""
        return self._replace(segments=tuple(change(s) if s.name == name else s for s in self.segments))

    def pick(self, at: slice | Tensor) -> Term:
        def shared(t):  # a bias or gate of length 1 is for all rows
            return t[at] if isinstance(t, Tensor) and len(t) > 1 else t

        return Term(self.q[at], tuple(Segment(s.name, s.k[at], s.v[at], shared(s.bias), s.mix) for s in self.segments), shared(self.gate), self.temperature)

    def run(self, attend: Attend) -> Tensor:
        q = self.q if self.temperature == 1 else self.q * self.temperature
        if len(self.segments) == 1:
            segment = self.segments[0]
            bias = segment.bias.to(q) if isinstance(segment.bias, Tensor) else None  # a constant over all keys cancels in the softmax
            out = attend(q, segment.k, segment.values(), bias)
        else:
            k, v = torch.cat([s.k for s in self.segments], -2), torch.cat([s.values() for s in self.segments], -2)
            out = attend(q, k, v, self.bias())
        if isinstance(self.gate, Tensor):
            return times(out, self.gate.to(out))
        return out if self.gate == 1 else times(out, self.gate)

    def bias(self) -> Tensor | None:
        """The biases of all segments side by side, [R|1, H|1, N|1, M of all]."""
        if all(s.bias is None for s in self.segments):
            return None
        parts = [s.bias if isinstance(s.bias, Tensor) else self.q.new_full((1, 1, 1, 1), s.bias or 0.0) for s in self.segments]
        shape = [max(sizes) for sizes in zip(*(p.shape[:-1] for p in parts), strict=True)]
        return torch.cat([p.to(self.q).expand(*shape, s.k.shape[-2]) for p, s in zip(parts, self.segments, strict=True)], -1)


class Group(NamedTuple):
    """Rows of equal structure and their terms: one kernel call a term, whatever the batch."""

    rows: tuple[int, ...]
    terms: tuple[Term, ...]

    def pick(self, rows: tuple[int, ...], index: Index) -> Group:
        if rows == self.rows:
            return self
        at = index[tuple(map(self.rows.index, rows)), self.terms[0].q.device]
        return Group(rows, tuple(t.pick(at) for t in self.terms))

    @property
    def own(self) -> Segment:
        """The model's keys, with all that was done to them."""
        return next(s for t in self.terms for s in t.segments if s.name == "own")

    def segment(self, name: str) -> Segment | None:
        return next((s for t in self.terms for s in t.segments if s.name == name), None)


@dataclass(frozen=True, eq=False)
class Plan:
    """What one site will compute for all rows of a call."""

    own: Term  # as the model projected them; no edit changes these
    groups: tuple[Group, ...]
    index: Index = field(default_factory=Index)
    bank: dict = field(default_factory=dict)  # givers that ran in another call, as they were at this sub-order

    @classmethod
    def of(cls, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None, counts: Sequence[int | None] = (), index: Index | None = None) -> Plan:
        """The model's own attention. `counts`: true key tokens of each row; what a host repeated beyond them to fill the tensor is cut."""
        index = Index() if index is None else index
        own = Term(q, (Segment("own", k, v, bias),))
        everything = Group(tuple(range(len(q))), (own,))
        lengths: dict[int, list[int]] = {}
        for row in everything.rows:
            lengths.setdefault((counts[row] if counts else None) or k.shape[-2], []).append(row)
        groups = []
        for length, rows in lengths.items():
            group = everything.pick(tuple(rows), index)
            if length < k.shape[-2]:
                group = group._replace(terms=(group.terms[0].on("own", lambda s, m=length: s.cut(m)),))
            groups.append(group)
        return cls(own, tuple(groups), index)

    def change(self, rows: Sequence[int], change: Change, givers: Sequence[int | tuple] | None = None) -> Plan:
        """Give `rows` new terms: change(mine), or change(mine, theirs) with one giver per row (a row of this call, or a key of the bank).

        Rows are split into groups only where their structure differs; an edit does no index arithmetic.
        """
        giver = dict(zip(rows, givers, strict=True)) if givers is not None else dict.fromkeys(rows)
        home = {row: group for group in self.groups for row in group.rows}
        groups = []
        for group in self.groups:
            parts: dict[object, list[int]] = {}
            for row in group.rows:
                lender = giver.get(row)
                parts.setdefault(None if row not in giver else id(home[lender]) if isinstance(lender, int) else (lender,), []).append(row)
            for part, inside in parts.items():
                mine = group.pick(tuple(inside), self.index)
                if part is not None:
                    mine = mine._replace(terms=change(mine) if givers is None else change(mine, self.lend([giver[row] for row in inside], home)))
                groups.append(mine)
        return self.having(groups)

    def having(self, groups: Iterable[Group]) -> Plan:
        return Plan(self.own, tuple(groups), self.index, self.bank)

    def more(self) -> Plan:
        """Only what was added to the first term of each row."""
        return self.having(group._replace(terms=group.terms[1:]) for group in self.groups)

    def lend(self, givers: list, home: dict[int, Group]) -> Group:
        """The givers' own terms, row for row; all of them in one group of this call, or one of the bank, which serves all."""
        if isinstance(givers[0], int):
            rows = tuple(givers)
            group = home[rows[0]]
            return group.pick(rows, self.index)
        if givers[0] not in self.bank:
            lane, group, branch, *_ = givers[0]
            raise ConcordError(f"no {lane} image of group {group} in this {branch} call, and none was recorded before it; it must be in the same batch")
        lent = self.bank[givers[0]]
        return lent if len(givers) == 1 else lent.pick((lent.rows[0],) * len(givers), self.index)


def execute(plan: Plan, attend: Attend = scaled_dot_product_attention, beside: Tensor | None = None) -> Tensor:
    """Every term of every group, once; added to `beside`, if there is something. [R, H, N, D]"""
    if len(plan.groups) == 1 and plan.groups[0].rows == tuple(range(len(plan.own.q))):
        return total(plan.groups[0], attend, beside)
    out = torch.empty_like(plan.own.q)
    for group in plan.groups:
        at = plan.index[group.rows, out.device]
        out[at] = total(group, attend, None if beside is None else beside[at])
    return out


def total(group: Group, attend: Attend, beside: Tensor | None = None) -> Tensor:
    """The sum of its terms, and of what is beside them. [R, H, N, D]"""
    parts = chain((term.run(attend) for term in group.terms), () if beside is None else (beside,))
    return reduce(plus, parts)


def plus(ours: Tensor, more: Tensor) -> Tensor:
    """Their sum, in the place of `ours`; gradients want to see it as it was."""
    return ours + more if torch.is_grad_enabled() else ours.add_(more)


def times(ours: Tensor, factor: Tensor | float) -> Tensor:
    """Their product, in the place of `ours`; gradients want to see it as it was."""
    return ours * factor if torch.is_grad_enabled() else ours.mul_(factor)


def columns(group: Group, tokens: Sequence[int], name: str = "own", attend: Attend = scaled_dot_product_attention,
            once: Callable[[Hashable, Callable[[], Tensor]], Tensor] = lambda key, make: make()) -> Tensor:
    """Probe: how much each query gives to `tokens` of one segment, as the values see it. [R, H, N, T], differentiable.

    `once`: a run's, so that what is constant is made once.
    """
    tokens = tuple(tokens)

    def hot(s: Segment) -> Segment:
        size = s.v.shape[-2], max(s.k.shape[-1], len(tokens))  # as wide as k: fused kernels want it
        asked = tokens if s.name == name else ()
        return s._replace(v=once(("columns", asked, size, s.k.dtype, s.k.device), lambda: one_hot(asked, *size, s.k)).expand(*s.v.shape[:2], -1, -1))

    asked = [t for t in group.terms if any(s.name == name for s in t.segments)]
    if not asked:
        there = ", ".join(dict.fromkeys(s.name for t in group.terms for s in t.segments))
        raise ConcordError(f"no keys named {name!r} to read columns of; there are {there}")
    read = Group(group.rows, tuple(t._replace(segments=tuple(map(hot, t.segments))) for t in asked))
    return total(read, attend)[..., : len(tokens)]


def one_hot(tokens: Sequence[int], length: int, width: int, like: Tensor) -> Tensor:
    """[length, width]: column i has its one at tokens[i]."""
    hot = torch.zeros(length, width, dtype=like.dtype)
    hot[list(tokens), range(len(tokens))] = 1
    return hot.to(like.device)
