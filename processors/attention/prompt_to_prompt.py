"""Prompt-to-Prompt: a picture drawn beside another one, from the same noise, that looks where the other looks and reads words of its own.

Hertz et al., Prompt-to-Prompt Image Editing with Cross Attention Control, arXiv 2208.01626, section 3. With A the maps of attention and n a word of the target:

    replace  A'[n] = (A_source M)[n]        refine  A'[n] = A_source[m(n)], or A_target[n] where n is new        reweight  c[n] A'[n]
    A_target[n] <- a[n] A'[n] + (1 - a[n]) A_target[n]        a[n] = 1 in the window of word n, else 0

Maps are never written out: (A M) V = A (M V), so the source's queries and keys read the target's values, with M diag(a) beside them.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..edit import Edit, Order
from ..errors import ConcordError
from ..program import Group, Plan, Segment, Term
from ..rows import Site
from ..run import Step
from ..words import Prompt
from .copies import own, product, taken
from .word_alignment import columns, refinement, replacement
from .word_edit import TargetEdit, WordEdit
from .word_windows import Window, weights_of, windows_of

MODES = ("replace", "refine", "reweight")


@dataclass(frozen=True, eq=False, kw_only=True)
class CopyWords(WordEdit):
    """The target's words are looked for where the source looks for theirs: q, k and bias of the source, the target's own v."""

    order = Order.COPIES
    owns = frozenset({"queries", "keys"})
    giver = "source"
    placed = True  # where the source looks, not what else was merged there
    table: Tensor | None = None  # [M, M] the target's columns made of the source's; None: each its own
    there: Tensor | None = None  # [M] 1: the word is the source's; 0: new, with the target's own map; None: all 1

    def rewrite(self, plan: Plan, site: Site, step: Step) -> Plan:
        takers = step.where(self)
        return plan.change(takers, lambda mine, theirs: self.copy(mine, theirs, site, step), step.givers(self.giver, takers)) if takers else plan

    def copy(self, mine: Group, theirs: Group, site: Site, step: Step) -> tuple[Term, ...]:
        v = mine.own.v
        self.check_length(v.shape[-2], site)
        open = self.open(step)
        given, kept = step.once((self.id, open, v.dtype, v.device), lambda: tuple(t if t is None else t.to(v) for t in self.maps(open)))
        copied = taken(mine, theirs, given, step)
        return copied if kept is None else (*copied, *own(mine, kept, step))

    def maps(self, open: tuple[bool, ...]) -> tuple[Tensor | None, Tensor | None]:
        """What becomes of the source's columns, and of the target's own; None: all of them stay, or none does."""
        share = self.alpha(open) if self.there is None else self.alpha(open) * self.there
        if bool((share == 1).all()):
            return self.table, None
        diagonal = torch.diag(share)
        return diagonal if self.table is None else self.table.double() @ diagonal, torch.diag(1 - share)


@dataclass(frozen=True, eq=False, kw_only=True)
class CopyLayout(TargetEdit):
    """In coarse layers the target looks at itself as the source does: q and k of the source, v of the target."""

    kind = "self"
    order = Order.COPIES
    owns = frozenset({"queries", "keys"})
    giver = "source"
    placed = True
    fraction: float = 1 / 16  # the finest layer that takes part, in tokens per latent cell: 1/16 is 16 x 16 of 64 x 64

    def neutral(self) -> bool:
        return self.window[0] >= self.window[1] and self.window[1] < 1

    def covers(self, site: Site) -> bool:
        return super().covers(site) and 4.0**-site.level <= self.fraction

    def rewrite(self, plan: Plan, site: Site, step: Step) -> Plan:
        takers = step.where(self)
        return plan.change(takers, lambda mine, theirs: taken(mine, theirs, None, step), step.givers(self.giver, takers)) if takers else plan


@dataclass(frozen=True, eq=False, kw_only=True)
class WeighWords(WordEdit):
    """Words louder or softer: their columns times a factor, not renormalised, in their window."""

    order = Order.VALUES
    weights: tuple[float, ...] = ()  # of each token of the target

    def neutral(self) -> bool:
        return super().neutral() or all(weight == 1 for weight in self.weights)

    def rewrite(self, plan: Plan, site: Site, step: Step) -> Plan:
        open = self.open(step)

        def weigh(s: Segment) -> Segment:
            self.check_length(s.v.shape[-2], site)
            loud = step.once((self.id, open, s.v.dtype, s.v.device), lambda: self.loudness(open).to(s.v))
            return s._replace(mix=product(step, s.mix, loud))

        return plan.change(step.where(self), lambda mine: tuple(t.on("own", weigh) for t in mine.terms))

    def loudness(self, open: tuple[bool, ...]) -> Tensor:
        weights = torch.tensor(self.weights, dtype=torch.float64)
        return torch.diag(torch.where(self.alpha(open) > 0, weights, 1.0))


def prompt_to_prompt(source: Prompt, targets: Sequence[Prompt], mode: str = "refine", groups: int = 1, cross: str = "default:0-0.8",
                     layout: Window = (0.0, 0.4), fraction: float = 1 / 16, weights: str = "", words: str | None = None,
                     beside: int = 0, layers: frozenset[int] | None = None) -> tuple[Edit, ...]:
    """Prompt-to-Prompt as edits, for `groups` groups of a source and all `targets` (lanes: `roles`), prompts of equally many chunks.

    mode: replace (words swapped one for one), refine (words that come and go) or reweight (words that stay, other weights);
    cross: in which part of the run words keep the source's places, such as "default:0-0.8, cat:0-0.4"; layout: in which part self-attention does, in
    layers of at most `fraction` tokens per latent cell; weights: such as "red:2"; words: the mark of the conditioning (see `rows.WORDS`);
    beside: how many pictures that take no part stand after a group's targets.
    """
    if mode not in MODES:
        raise ConcordError(f"the mode is {mode!r}; it is one of {', '.join(MODES)}")
    windows, factors, size = windows_of(cross, targets), weights_of(weights, targets), 1 + len(targets) + beside
    edits: list[Edit] = [CopyLayout(window=layout, fraction=fraction, layers=layers)]
    for n, target in enumerate(targets):
        where = {"samples": frozenset(group * size + n + 1 for group in range(groups)), "windows": windows[n], "words": words, "layers": layers}
        table, there = aligned(source, target, mode)
        edits += [CopyWords(table=table, there=there, **where), WeighWords(weights=factors[n], **where)]
    return tuple(edits)


def aligned(source: Prompt, target: Prompt, mode: str) -> tuple[Tensor | None, Tensor | None]:
    """The table of `CopyWords` and which words are there; None where they change nothing."""
    there = None
    if mode == "reweight":
        return None, None
    if mode == "replace":
        table = replacement(source, target)
    else:
        mapper, there = refinement(source, target)
        table = columns(mapper, there)
    return None if torch.equal(table, torch.eye(len(table))) else table, None if there is None or bool(there.all()) else there
