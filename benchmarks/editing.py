"""What the editing techniques cost: microseconds of Python at each site that they touch, and a step of the practice model against the bare model's.

    python -m concord.benchmarks.editing            the budget is 120 us of Python at a touched site; a site that nothing touches costs nothing

A site is timed with tiny tensors and no attention kernel, and what its operations take when they are done again by themselves (shown with their number)
is taken off: that part is the technique's arithmetic, which a GPU does meanwhile. "per call" is done once for all sites of a model call.
"""
from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import thread_time
from typing import Any, NamedTuple

import torch
from concord.hosts.diffusers import host
from concord.hosts.diffusers.sample import guided
from concord.processors.attention.adain import feature_adain
from concord.processors.attention.attention_maps import attention_maps
from concord.processors.attention.masactrl import masactrl
from concord.processors.attention.prompt_to_prompt import prompt_to_prompt
from concord.processors.attention.style_aligned import style_aligned
from concord.processors.attention.word_foreground import read_words
from concord.processors.edit import Edit, Program, Stage
from concord.processors.latents.local_blend import local_blend
from concord.processors.rows import Lanes, Site
from concord.processors.run import Run, Step, at_site, attention
from concord.processors.words import positions
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

BUDGET = 120
SOURCE, TARGET = "a red striped circle on a blue background", "a green striped circle on a blue background"
MORE = "a red striped circle on the left on a blue background"
PAIRS = Lanes(((0, "source", 0), (1, "target", 0), (2, "source", 1), (3, "target", 1)))
REFERENCE = Lanes(((0, "reference", 0),))
LEFT = torch.ones(1, 128, 128).tril()
HEADS, DEPTH, TOKENS, SAMPLES = 2, 8, 77, 4
SITES = tuple(Site(kind, 10, "up", HEADS, (2, 2), level=2) for kind in ("self", "cross"))


@dataclass(frozen=True)
class Technique:
    name: str
    edits: tuple[Edit, ...]
    lanes: Lanes = PAIRS


def techniques(clip: Any) -> Iterator[Technique]:
    source, target, more = (host.read_prompt(clip, text) for text in (SOURCE, TARGET, MORE))
    yield Technique("StyleAligned", style_aligned(), REFERENCE)
    yield Technique("StyleAligned, shift and scale", style_aligned(scale=0.9, shift=0.7), REFERENCE)
    yield Technique("StyleAligned, group norms", style_aligned(group_norm=True), REFERENCE)
    yield Technique("StyleAligned, everyone", style_aligned(full=True), REFERENCE)
    yield Technique("FeatureAdaIN, values", feature_adain("values"), REFERENCE)
    yield Technique("FeatureAdaIN, outputs, masks", feature_adain("output of both attentions", "mean", 0.8, mask=LEFT, reference_mask=LEFT), REFERENCE)
    layout = {"groups": 2, "layout": (0.0, 1.0), "fraction": 1.0}
    yield Technique("PromptToPrompt, replace", prompt_to_prompt(source, [target], "replace", **layout))
    yield Technique("PromptToPrompt, refine", prompt_to_prompt(source, [more], "refine", **layout))
    yield Technique("PromptToPrompt, reweight", prompt_to_prompt(source, [source], "reweight", weights="red:2", **layout))
    words = (positions(source, "circle"), positions(target, "circle"))
    yield Technique("LocalBlend", local_blend(words, start=0.0))
    yield Technique("MasaCtrl", masactrl(window=(0.0, 1.0)))
    yield Technique("MasaCtrl, union", masactrl("union", (0.0, 1.0)))
    yield Technique("MasaCtrl, masks", masactrl("masks", (0.0, 1.0), masks=(LEFT, LEFT.flip(-1))))
    maps, _ = read_words((source, target), ("circle", ""), 16, host.encode_prompt(clip, SOURCE))
    yield Technique("MasaCtrl, words", masactrl("words", (0.0, 1.0), maps=maps))
    yield Technique("AttentionMaps", (attention_maps((("circle", positions(source, "circle")), ("red", positions(source, "red"))))[0],))


def microseconds(*works: Callable[[], object], repeats: int = 300) -> list[float]:
    """The least that each takes of this thread's own time, after some to warm up; in turns, so that all meet the same machine."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(repeats):
        for work, taken in zip(works, times, strict=True):
            start = thread_time()
            work()
            taken.append(thread_time() - start)
    return [1e6 * min(taken[repeats // 4 :]) for taken in times]


class Recorder(TorchDispatchMode):
    """Keeps the operations inside its `with`, to be done again by themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[Any, tuple, dict]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        self.done.append((function, args, kwargs or {}))
        return function(*args, **(kwargs or {}))

    def again(self) -> None:
        for function, args, kwargs in self.done:
            function(*args, **kwargs)


class Cost(NamedTuple):
    """At one touched site, in microseconds."""

    python: float
    operations: float
    count: int

    def __str__(self) -> str:
        return f"{self.python:>9.0f} {f'+{self.operations:.0f} ({self.count})':>12}"


def no_kernel(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    return q


def step_of(program: Program, run: Run | None = None) -> Step:
    """Both branches of four images in one call, in the middle of a run."""
    run = run or Run(program, SAMPLES, (9.0, 3.0, 1.0, 0.0), lambda sigma: 0.5)
    rows = program.lanes.rows([("positive", 0, None, TOKENS), ("negative", 0, None, TOKENS)], SAMPLES)
    return run.step(3.0, rows)


def at(site: Site, program: Program) -> Cost | None:
    step = step_of(program)
    active = at_site(program, site, step)
    if not active:
        return None
    queries = site.grid[0] * site.grid[1]
    q, k, v = (torch.randn(len(step.rows), HEADS, n, DEPTH) for n in (queries, *[queries if site.kind == "self" else TOKENS] * 2))
    work = lambda: attention(active, site, step, q, k, v, no_kernel)
    work()  # what is made once a run or a call is no cost of a site
    with Recorder() as recorder:
        work()
    all_of_it, operations = microseconds(work, recorder.again)
    return Cost(all_of_it - operations, operations, len(recorder.done))


def per_call(program: Program) -> float:
    """What is done once per model call: the step, and which edits act at which of 32 sites."""
    run = step_of(program).run
    places = [site for site in SITES for _ in range(16)]

    def work() -> object:
        step = step_of(program, run)
        active = program.at(Stage.ATTENTION, step)
        return [tuple(edit for edit in active if edit.covers(site)) for site in places]

    return microseconds(work)[0]


def call_of(parts: tuple[Any, Any, Any], technique: Technique | None) -> Callable[[], Tensor]:
    """A prediction of four images in the middle of a run, with guidance."""
    model, clip, _ = parts
    attached = host.attach(model, *technique.edits, lanes=technique.lanes) if technique else model
    branches = {"positive": host.encode_prompt(clip, SOURCE), "negative": host.encode_prompt(clip, "")}
    denoise = guided(attached, 4.0, branches, SAMPLES, (16, 16), torch.tensor([9.0, 3.0, 1.0, 0.0]))
    x, sigma = torch.randn(SAMPLES, 4, 16, 16), torch.full((SAMPLES,), 3.0)
    return lambda: denoise(x, sigma)


def step_ratio(parts: tuple[Any, Any, Any], technique: Technique) -> float:
    """A prediction with it against the bare model's."""
    with_it, without = microseconds(call_of(parts, technique), call_of(parts, None), repeats=8)
    return with_it / without


def report(say: Callable[[str], object]) -> float:
    """One line for each technique; gives the most Python at a site."""
    parts, most = host.practice_model(), 0.0
    for technique in techniques(parts[1]):
        program = Program.of(technique.edits, technique.lanes)
        found = [at(site, program) for site in SITES]
        most = max([most, *(cost.python for cost in found if cost)])
        sites = "".join(str(cost or "-").rjust(22) for cost in found)
        say(f"{technique.name:<30}{sites}{per_call(program):>10.0f}{step_ratio(parts, technique):>8.2f}\n")
    return most


def main() -> int:
    torch.set_num_threads(1)
    say = sys.stdout.write
    say(f"{'us: Python +operations (number)':<30}{'self-attention':>21}{'cross-attention':>22}{'per call':>10}{'step':>8}\n")
    with torch.inference_mode():
        most = report(say)
    say(f"at most {most:.0f} us of Python at a touched site; the budget is {BUDGET}\n")
    return int(most > BUDGET)


if __name__ == "__main__":
    sys.exit(main())
