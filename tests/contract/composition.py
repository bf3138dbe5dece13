"""What goes together, tried out: `python -m concord.tests.contract.composition` runs every pair of techniques and writes docs/composition.md."""
from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import torch
from concord.processors.errors import ConcordError

from . import techniques as t
from .technique_rows import Technique

PAGE = Path(__file__).parents[2] / "docs" / "composition.md"
BOTH, REFUSED, ITSELF = "yes", "no", "—"
HEAD = """# What goes with what

Every node of the table was put on one model with every other one, in both orders, and run. **yes**: both orders give the same picture to the last bit, and
each of the two still has its effect. **no**: the run is refused when it starts; the reasons stand below, in the words that the node says.

"""
TAIL = """
Random chains of two to six of these nodes, with several settings each, batches of one to four, odd sizes, with and without guidance, are run in two random
orders by the tests, in the headless host and in ComfyUI: every order gives the same bits, branches in one call or in several give the same numbers, and what
is refused is refused in every order. The tests also compare each technique, each pair and long chains with a naive reading of their maths, in which every
probability matrix is written out: they agree to 1e-10 in a small transformer and to 1e-8 in a whole UNet, in float64. So do whole sampling runs with
ControlNets, windows and replayed inversions among them, against a loop that does one step, one branch and one window after the other (to 1e-8; to 1e-6 at odd
sizes, where masks are float32).

This page is written by `python -m concord.tests.contract.composition`; the tests keep it true.
"""


def outcome(pair: Sequence[Technique]) -> str:
    """BOTH, or why the run of these two is refused. An order that matters is an AssertionError."""
    results = []
    for order in (pair, pair[::-1]):
        setup = t.plain()
        for technique in order:
            setup = technique.typical(setup)
        try:
            results.append(t.run(setup, samples=3))
        except ConcordError as error:
            results.append(str(error))
    one, other = results
    assert one == other if isinstance(one, str) or isinstance(other, str) else torch.equal(one, other)
    return one if isinstance(one, str) else BOTH


def page(outcomes: dict[tuple[str, str], str]) -> str:
    """outcomes: of each pair, in the order of the table."""
    names = list(dict.fromkeys(name for pair in outcomes for name in pair))
    seen = outcomes | {(b, a): said for (a, b), said in outcomes.items()}
    cell = lambda a, b: ITSELF if a == b else BOTH if seen[a, b] == BOTH else f"**{REFUSED}**"
    lines = [f"| | {' | '.join(names)} |", f"|---|{'---|' * len(names)}", *(f"| **{a}** | {' | '.join(cell(a, b) for b in names)} |" for a in names)]
    reasons = [f"* {a} and {b}: {said}" for (a, b), said in outcomes.items() if said != BOTH]
    return HEAD + "\n".join(lines) + "\n\n## Why not\n\n" + ("\n".join(reasons) or "Nothing is refused.") + "\n" + TAIL


def said_of(pair: Sequence[Technique], text: str) -> str:
    """What the page says about these two: BOTH or REFUSED."""
    rows = [[cell.strip(" *") for cell in line.removeprefix("|").removesuffix("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    columns = rows[0]
    row = next(row for row in rows[2:] if row[0] == pair[0].name)
    return row[columns.index(pair[1].name)]


def main() -> None:
    PAGE.write_text(page({(a.name, b.name): outcome((a, b)) for a, b in combinations(t.TECHNIQUES, 2)}), encoding="utf-8")


if __name__ == "__main__":
    main()
