"""What a technique does, as data: edits, and the program that holds all edits of a model in their one order."""
from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from .errors import ConcordError
from .rows import LANES, Lanes, Row, Site

if TYPE_CHECKING:
    from .program import Attend, Plan
    from .run import Run, Step


PLAIN = (str, bytes, int, float, complex, type(None), torch.dtype, torch.device)  # what repr tells apart


class Stage(IntEnum):
    """What an edit acts on, in the order in which a step does it."""

    WEIGHTS = 0
    CONDITIONS = 1
    LATENTS_BEFORE = 2
    VIEWS = 3
    FEATURES = 4
    ATTENTION = 5
    PREDICTION = 6
    LATENTS_AFTER = 7


class Order(IntEnum):
    """The sub-orders of the attention stage: an edit sees what all lower ones did, on all rows."""

    SOURCE = 1  # whose q, k, v
    STATISTICS = 2  # AdaIN and mixing of q, k
    SEGMENTS = 3  # more keys in the same softmax
    REGIONS = 4  # the base term divided over the picture
    SCORES = 5  # bias, mask, temperature
    VALUES = 6  # v scaled or mapped along its tokens
    COPIES = 7  # attention maps of another lane, finished up to here
    TERMS = 8  # further softmaxes, added; always asked by the model's own q
    OUTPUT = 9  # functions of the finished output
    PROBES = 10  # reads what was done, changes nothing


class Canvas(IntEnum):
    """The sub-orders of the two latent stages."""

    OVERWRITE = 1  # before a step: from a bank
    GRADIENTS = 2  # before a step: of losses, all at one x
    BLEND = 3  # after a step: lanes into one another
    PIN = 4  # after a step: parts that have to stay
    RECORD = 5  # after a step: what others will ask for


@dataclass(frozen=True, eq=False, kw_only=True)
class Edit:
    """One thing that a technique does: numbers and tensors, no state. Subclasses name their stage and say what they change."""

    technique: ClassVar[str]  # for people
    stage: ClassVar[Stage]
    order: ClassVar[int] = 0
    owns: ClassVar[frozenset[str]] = frozenset()  # what only one edit may set on a row, site and step
    taker: ClassVar[str] = ""  # the lane that it acts on; "" for any
    giver: ClassVar[str] = ""  # the lane that every taker needs one of; "" for none
    leads: ClassVar[str] = ""  # the branch that a prediction has to run before the others, which ask what was read of it; "" for any order

    window: tuple[float, float] = (0.0, 1.0)  # progress, half open; closed at 1
    branches: frozenset[str] | None = None  # None: all
    groups: frozenset[int] | None = None  # None: all

    def neutral(self) -> bool:
        """Strength 0: the edit is dropped when the program is built."""
        return False

    def active(self, step: Step) -> bool:
        start, end = self.window
        return start <= step.progress and (step.progress < end or end >= 1)

    def takes(self, row: Row) -> bool:
        """Whether this edit may change (or read) that row."""
        return self.taker in ("", row.lane) and (self.branches is None or row.branch in self.branches) and (self.groups is None or row.group in self.groups)

    def begins(self, run: Run) -> None:
        """A run is about to begin: refuses one that this edit does not fit, where no model call could. Called once, before the first step."""

    def finished(self, run: Run) -> None:
        """The run has ended well. For edits that hand something on which outlives it; called once, not after an interruption."""

    @cached_property
    def id(self) -> str:
        """The same content gives the same id in every process, so the order of nodes leaves no trace."""
        digest = hashlib.sha256(f"{self.technique}/{type(self).__name__}".encode())  # two techniques may use one name
        for f in fields(self):
            feed(digest, f.name)
            feed(digest, getattr(self, f.name))
        return f"{type(self).__name__}:{digest.hexdigest()[:16]}"

    def __deepcopy__(self, memo) -> Edit:
        return self  # data: hosts that copy their models need no second one


@dataclass(frozen=True, eq=False, kw_only=True)
class AttentionEdit(Edit):
    """An edit of what attention sites compute."""

    stage = Stage.ATTENTION
    kind: ClassVar[str] = ""  # self, cross, joint; "" for all
    placed: ClassVar[bool] = False  # whether it has to know which place of the picture each query is: other packs may have merged some of them
    layers: frozenset[int] | None = None  # site indices in execution order; None: all

    def covers(self, site: Site) -> bool:
        return self.kind in ("", site.kind) and (self.layers is None or site.index in self.layers)

    def rewrite(self, plan: Plan, site: Site, step: Step) -> Plan:
        """The plan with this edit done. Pure."""
        raise NotImplementedError(type(self).__name__)

    def finish(self, out: Tensor, plan: Plan, site: Site, step: Step, attend: Attend) -> Tensor:
        """For sub-order OUTPUT: the site's output [R, H, N, D] with this edit done; `plan` is what made it, `attend` the host's kernel."""
        raise NotImplementedError(type(self).__name__)

    def read(self, plan: Plan, site: Site, step: Step) -> None:
        """For sub-order PROBES: told what the site will compute, all edits done. Keeps what it reads in the run's memory and looks at no device value."""
        raise NotImplementedError(type(self).__name__)


@dataclass(frozen=True, eq=False, kw_only=True)
class ConditionEdit(Edit):
    """An edit of what the rows of a model call are told."""

    stage = Stage.CONDITIONS

    def say(self, text: Tensor, step: Step) -> Tensor:
        """What cross-attention reads, [R, M, C], with this edit done. Pure."""
        return text

    def say_pooled(self, pooled: Tensor, step: Step) -> Tensor:
        """The pooled texts of SDXL, [R, P], with this edit done. Pure."""
        return pooled


@dataclass(frozen=True, eq=False, kw_only=True)
class LatentEdit(Edit):
    """An edit of the canvas between two steps of a sampler: before a step's first evaluation, or when the step is over. Subclasses name the stage."""

    def change(self, x: Tensor, step: Step) -> Tensor:
        """The canvas [B, C, h, w] (clean + sigma * noise, in the network's units) with this edit done; `step.where(self)` are samples. Pure."""
        raise NotImplementedError(type(self).__name__)


def feed(digest, value) -> None:
    """Every value with its type and its size, so that no two contents read alike."""
    if isinstance(value, Tensor):
        digest.update(f"tensor {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes() if value.numel() else b"")
    elif isinstance(value, tuple | list):
        digest.update(f"list {len(value)}".encode())
        for v in value:
            feed(digest, v)
    elif isinstance(value, dict):
        feed(digest, [(k, value[k]) for k in sorted(value)])
    elif isinstance(value, frozenset):
        feed(digest, sorted(value))
    else:
        if not isinstance(value, PLAIN) and not hasattr(value, "id"):  # its repr may hold an address, or leave numbers out
            raise TypeError(f"{value!r} in an edit has no content that can be told apart; use numbers, text, tensors, tuples, dicts, or a handle with an id")
        text = str(getattr(value, "id", None) or repr(value))
        digest.update(f"{type(value).__name__} {len(text)} {text}".encode())


@dataclass(frozen=True, eq=False)
class Program:
    """All edits on a model: a sorted, immutable set, with the lanes of the batch. Build with `Program.of`."""

    edits: tuple[Edit, ...] = ()
    lanes: Lanes = field(default_factory=Lanes)

    @classmethod
    def of(cls, edits: Iterable[Edit], lanes: Lanes | None = None) -> Program:
        """Neutral edits are dropped; to own the same twice is to own it once; what adds up, adds up."""
        unique = {edit.id if edit.owns else (edit.id, i): edit for i, edit in enumerate(edits) if not edit.neutral()}
        rank = lambda e: (e.stage, e.order, LANES.index(e.taker) if e.taker else -1, e.id)
        return cls(tuple(sorted(unique.values(), key=rank)), lanes or Lanes())

    def add(self, edits: Iterable[Edit], lanes: Lanes | None = None) -> Program:
        return Program.of((*self.edits, *edits), self.lanes | (lanes or Lanes()))

    def __bool__(self) -> bool:
        return bool(self.edits)

    def __deepcopy__(self, memo) -> Program:
        return self

    def at(self, stage: Stage, step: Step) -> tuple:
        """The edits of one stage that act in this model call, in order."""
        return tuple(e for e in self.edits if e.stage == stage and e.active(step))

    def check(self, sites: Sequence[Site], steps: Sequence[Step]) -> None:
        """What cannot compose is an error before the first step: a taker without its giver, or two different owners of one thing on the same rows,
        sites and steps; the message names both."""
        for edit in self.edits:
            orphan = next((r for r in steps[0].rows if edit.giver and edit.takes(r) and not steps[0].has_giver(edit.giver, r)), None) if steps else None
            if orphan:
                raise ConcordError(f"{edit.technique}: image {orphan.sample} of the batch (group {orphan.group}) has no {edit.giver}; "
                                   f"name the image that is the {edit.giver}")
        for one, other in combinations(self.edits, 2):
            if shared := one.owns & other.owns:
                clash(one, other, sorted(shared), sites, steps)


def clash(one: Edit, other: Edit, shared: Sequence[str], sites: Sequence[Site], steps: Sequence[Step]) -> None:
    if isinstance(one, AttentionEdit) and isinstance(other, AttentionEdit):
        site = next((s for s in sites if one.covers(s) and other.covers(s)), None)
        if site is None:
            return
        place = f" at {site}"
    else:
        place = ""
    for step in steps:
        row = next((r for r in step.rows if one.takes(r) and other.takes(r)), None)
        if row is not None and one.active(step) and other.active(step):
            twice = "with two different settings, " if one.technique == other.technique else ""
            raise ConcordError(f"{one.technique} and {other.technique} {twice}both set the {' and '.join(shared)} of {row.lane} image {row.sample} "
                               f"({row.branch}){place}, first in step {step.number}; "
                               "give them different steps (start_percent, end_percent) or layers, or remove one")
