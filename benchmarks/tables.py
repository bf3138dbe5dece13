"""What was found, as Markdown; and which targets were missed."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from .peer_setups import HALF, TWICE
from .rounds import MIB

IDLE = 1.02  # of the bare model's call, for a program in which nothing acts
ROOM = 1.1  # of an image adapter's bare attentions
RESIDENT = 15  # MiB that one SDXL adapter keeps in half precision

ADAPTER = "DecoupledCrossAttn"
DOUBT = ", within the error"

Found = Sequence[dict[str, Any]]


class Target(NamedTuple):
    text: str = "-"
    met: bool | None = None

    def __str__(self) -> str:
        return self.text if self.met is None else f"{self.text}: {'met' if self.met else '**missed**'}"


def document(found: Found, absent: Iterable[str], about: str) -> str:
    lines = [about, ""]
    for part in found:
        lines += [f"### {part['title']}", ""]
        lines += {"setups": setups, "peers": peers, "skipped": skipped}[part["kind"]](part)
    lines += [f"- **SKIPPED**: {line}" for line in absent]
    lost = missed(found)
    lines += ["", f"**{len(lost)} missed: {'; '.join(lost)}**" if lost else "All targets that were measured are met.", ""]
    return "\n".join(lines)


def missed(found: Found) -> list[str]:
    return [f"{row['name']} ({part['title']}): {target}" for part in found if part["kind"] != "skipped"
            for row in part["rows"] for target in targets(row, part) if target.met is False]


def targets(row: dict[str, Any], part: dict[str, Any]) -> Iterator[Target]:
    if part["kind"] == "peers":
        yield against_peer(row)
    else:
        yield time(row, part)
        yield looks(row)
        yield memory(row, part)


def time(row: dict[str, Any], part: dict[str, Any]) -> Target:
    """An adapter's is for the official networks: calls of the practice model are so short that all that is seen is Python. What it adds is less than whole
    calls can tell on most machines, so it is judged by all its operations, done again; the call itself may be above that by no more than an idle one's part.
    """
    one_adapter = row["adapters"] == 1 and row["name"].startswith(ADAPTER) and part["official"]
    if not row["idle"] and not one_adapter:
        return Target()
    if one_adapter:
        most = 1 + ROOM * (row["limit"] - 1)
        met = row["work"] <= most and row["ratio"] - 2 * row["error"] <= most + IDLE - 1
        return Target(f"{row['work']:.5f} <= {most:.5f}", met)
    doubt = row["ratio"] > IDLE >= row["ratio"] - 2 * row["error"]
    return Target(f"<= {IDLE}" + DOUBT * doubt, None if doubt else row["ratio"] <= IDLE)


def looks(row: dict[str, Any]) -> Target:
    return Target() if row["further"] else Target("0 looks in layers", row["inside"] <= 0)


def memory(row: dict[str, Any], part: dict[str, Any]) -> Target:
    if not (row["adapters"] and part["sdxl"] and row["name"].startswith(ADAPTER)):
        return Target()
    kept = row["kept"] / (2 if part["half"] else 1) / MIB / row["adapters"]
    return Target(f"<= {RESIDENT} MiB an adapter", kept <= RESIDENT)


def against_peer(row: dict[str, Any]) -> Target:
    room = 0.5 * (row["theirs"] - 1) - (row["ours"] - 1)
    half = None if abs(room) <= 2 * row["error"] else room > 0
    if row["target"] == HALF and half is None:  # whole calls cannot tell; what is added to them can
        ours, theirs = row["work"]
        return Target(f"at most {HALF}: {1000 * ours:.1f} ms of operations by {1000 * theirs:.1f} ms", ours <= 0.5 * theirs)
    if row["target"] == HALF:
        return Target(f"at most {HALF}", half)
    if row["target"] == TWICE:
        met = half if row["faster"] < 2 else True
        return Target(f"{TWICE}, the call or its overhead{DOUBT * (met is None)}", met)
    return Target()


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    line = lambda cells: f"| {' | '.join(map(str, cells))} |"
    return [line(heads), line(["---"] * len(heads)), *map(line, rows), ""]


def setups(part: dict[str, Any]) -> list[str]:
    heads = ("setup", "pictures", "bare call, s", "ratio", "limit", "above it", "target", "kernels", "looks (in layers)", "kept, MiB")
    shown = table(heads, [(
        row["name"], row["pictures"], f"{row['bare']:.3g}", f"{row['ratio']:.3f} ± {row['error']:.3f}",
        f"{row['further']} more evaluation with gradients" if row["limit"] is None else f"{row['limit']:.3f}",
        "-" if row["limit"] is None else f"{row['ratio'] - row['limit']:+.3f}", time(row, part), f"{row['kernels']:+d}",
        f"{row['looks']:+d} ({row['inside']:+d})" if row["further"] else f"{row['looks']:+d} ({row['inside']:+d}): {'met' if looks(row).met else '**missed**'}",
        f"{row['kept'] / MIB:.1f}") for row in part["rows"]])
    shown[-1:] = [*(f"- **NOT MEASURED**: {line}" for line in part.get("refused", ())), ""]
    adapters = [row for row in part["rows"] if row["adapters"] and row["name"].startswith(ADAPTER)]
    if adapters:
        half = lambda row: f"{row['kept'] / MIB / (2 if part['half'] else 1):.1f}"
        shown += table(("image adapters", "kept for the run, MiB", "in half precision", "file, MiB (on the CPU)", "target"),
                       [(row["name"], f"{row['kept'] / MIB:.1f}", half(row), f"{row['file'] / MIB:.0f}", memory(row, part)) for row in adapters])
    return shown


def peers(part: dict[str, Any]) -> list[str]:
    heads = ("peer", "technique", "pictures", "bare call, s", "ours", "theirs", "our overhead by theirs", "their call by ours",
             "kernels, ours and theirs", "looks in layers", "difference", "target")
    return table(heads, [(
        row["name"], row["technique"], row["pictures"], f"{row['bare']:.3g}", f"{row['ours']:.3f} ± {row['error']:.3f}", f"{row['theirs']:.3f}",
        f"{row['share']:.2f}", f"{row['faster']:.2f}", "{:+d}, {:+d}".format(*row["kernels"]), "{:+d}, {:+d}".format(*row["inside"]),
        f"{row['difference']:.1e}", against_peer(row)) for row in part["rows"]])


def skipped(part: dict[str, Any]) -> list[str]:
    return [*(f"**SKIPPED**: {line}" for line in part["rows"]), ""]
