"""Microseconds that the engine takes at a touched site without the attention kernel; tensors are tiny: what is left is Python and the launching of operations.

    python -m concord.benchmarks.engine            the budget of the engine is 120 us a site (per call, not per layer)

The first lines, edits that change nothing, are the engine alone; what the others take above them is their own arithmetic.
"""
from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from statistics import median
from time import thread_time

import torch
from concord.processors.edit import Edit, Order, Program, Stage
from concord.processors.program import Group, Term
from concord.processors.rows import Site
from concord.processors.run import Run, Step, at_site, attention
from concord.tests.engine.edits_self import Asks
from concord.tests.engine.table import EVERYTHING, TABLE, edits
from concord.tests.engine.toy import DEPTH, HEADS, QUERIES, TOKENS, Toy, batch, lanes, noise
from torch import Tensor

BUDGET = 120


class Look(Asks):
    """Looks at its giver and changes nothing."""

    technique = "Look"
    owns = frozenset()

    def ask(self, mine: Group, theirs: Group, site: Site, step: Step) -> tuple[Term, ...]:
        return mine.terms


class LookAgain(Look):
    order = Order.SEGMENTS


ALONE: dict[str, tuple[Edit, ...]] = {"engine alone, one edit": (Look(),), "engine alone, two edits of two orders": (Look(), LookAgain())}
TECHNIQUES = {**{name: edits([name]) for name in TABLE}, "style + adapter": edits(("style", "adapter")), f"a chain of {len(EVERYTHING)}": edits(EVERYTHING)}


def no_kernel(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    return q


def microseconds(work: Callable[[], object], repeats: int = 300) -> float:
    """The median of this thread's own time, after as many to warm up."""
    times = []
    for _ in range(2 * repeats):
        start = thread_time()
        work()
        times.append(thread_time() - start)
    return 1e6 * median(times[repeats:])


def at(site: Site, program: Program, samples: int) -> float | None:
    """One touched site of a call that stacks both branches of `samples` images."""
    step = Run(program, samples).step(1.0, batch(samples))
    keys = QUERIES if site.kind == "self" else TOKENS
    q, k, v = (noise(i, len(step.rows), HEADS, n, DEPTH).float() for i, n in enumerate((QUERIES, keys, keys)))
    active = at_site(program, site, step)
    return microseconds(lambda: attention(active, site, step, q, k, v, no_kernel)) if active else None


def per_call(program: Program, samples: int) -> float:
    """What is done once per model call: the step, and which edits act at which of 32 sites."""
    run, rows, sites = Run(program, samples), batch(samples), Toy().sites() * 8

    def work() -> object:
        step: Step = run.step(1.0, rows)
        active = program.at(Stage.ATTENTION, step)
        return [tuple(edit for edit in active if edit.covers(site)) for site in sites]

    return microseconds(work)


def report(lines: Iterable[tuple[str, tuple[Edit, ...]]], say: Callable[[str], object]) -> float:
    """One line for each program; gives the slowest."""
    slowest = 0.0
    for name, program_edits in lines:
        for samples in (4, 8):
            program = Program.of(program_edits, lanes(samples))
            times = [at(site, program, samples) for site in Toy().sites()[:2]]
            slowest = max(slowest, *(t for t in times if t))
            shown = "".join(f"{t:>9.0f}" if t else f"{'-':>9}" for t in times)
            say(f"{name:<40}{samples:>7}{shown}{per_call(program, samples):>10.0f}\n")
    return slowest


def main() -> int:
    torch.set_num_threads(1)
    say = sys.stdout.write
    say(f"{'microseconds':<40}{'images':>7}{'self':>9}{'cross':>9}{'per call':>10}\n")
    slowest = report(ALONE.items(), say)
    report(TECHNIQUES.items(), say)
    say(f"the engine alone: {slowest:.0f} us at a touched site; the budget is {BUDGET}\n")
    return int(slowest > BUDGET)


if __name__ == "__main__":
    sys.exit(main())
