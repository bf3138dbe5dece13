"""What cannot compose is refused before the first step, naming both techniques, the row, the site and the step; what never meets is not."""
from __future__ import annotations

import pytest
from concord.processors.attention.masactrl import MutualAttention, masactrl
from concord.processors.attention.prompt_to_prompt import CopyLayout, CopyWords
from concord.processors.attention.style_aligned import AlignStatistics, style_aligned
from concord.processors.edit import Program
from concord.processors.errors import ConcordError
from concord.processors.prediction.multidiffusion import Windows
from concord.processors.rows import Lanes
from concord.processors.run import Run
from concord.tests.engine.edits_self import FrameAttention, StyleInjection
from concord.tests.engine.table import ALWAYS, LEFT, TEXTS, TOP, couple
from concord.tests.engine.toy import BRANCHES, Toy, lanes

POSITIVE = frozenset({"positive"})
SIGMAS = (14.0, 7.0, 3.0, 1.0, 0.0)


def progress(sigma: float) -> float:
    """A quarter a step, straight between."""
    above = max(i for i, s in enumerate(SIGMAS) if s >= sigma)
    return (above + (SIGMAS[above] - sigma) / (SIGMAS[above] - SIGMAS[above + 1])) / 4


def check(*edits, samples: int = 4, roles: Lanes | None = None) -> None:
    program = Program.of(edits, lanes(4) if roles is None else roles)
    Run(program, samples, SIGMAS, progress).check(Toy().sites(), BRANCHES)


def test_the_message_names_techniques_row_site_and_step():
    with pytest.raises(ConcordError) as error:
        check(CopyLayout(fraction=1.0, window=(0.5, 1.0)), MutualAttention(layers=frozenset({1})))
    message = str(error.value)
    for part in ("PromptToPrompt", "MasaCtrl", "keys", "target image 2", "positive", "self-attention 1 (mid)", "step 2", "start_percent", "remove one"):
        assert part in message
    assert "queries" not in message  # only one of them sets those


def test_one_technique_with_two_settings():
    with pytest.raises(ConcordError, match="StyleAligned and StyleAligned with two different settings, both set the statistics"):
        check(*style_aligned(adain="qk"), *style_aligned(adain="q"))


def test_two_kinds_of_windows():
    with pytest.raises(ConcordError, match="both set the windows"):
        check(Windows(size=(8, 8)), Windows(size=(16, 16)))


MEET = {
    "masks or none": (MutualAttention(), *masactrl("masks", (0.0, 1.0), None, masks=(LEFT, TOP))),
    "source or style": (MutualAttention(), StyleInjection()),
    "maps or keys": (CopyLayout(fraction=1.0), StyleInjection()),
    "two regions": (*couple(TEXTS, (LEFT, TOP)), *couple(TEXTS, (TOP, LEFT))),
    "windows that overlap in one step": (MutualAttention(window=(0.0, 0.3)), StyleInjection(window=(0.25, 1.0))),
    "windows that overlap only between two steps": (MutualAttention(window=(0.0, 0.45)), StyleInjection(window=(0.3, 1.0))),
    "one layer in common": (MutualAttention(layers=frozenset({0, 1})), StyleInjection(layers=frozenset({1}))),
}
PART = {
    "windows": (MutualAttention(window=(0.0, 0.5)), StyleInjection(window=(0.5, 1.0))),
    "layers": (MutualAttention(layers=frozenset({0})), StyleInjection(layers=frozenset({1}))),
    "lanes": (MutualAttention(), FrameAttention()),
    "kinds of site": (MutualAttention(), CopyWords(windows=ALWAYS)),
    "branches": (AlignStatistics(branches=POSITIVE), AlignStatistics(of="q", branches=frozenset({"negative"}))),
    "different things": (AlignStatistics(), CopyLayout(fraction=1.0), *couple(TEXTS, (LEFT, TOP))),
    "windows of the canvas": (Windows(size=(8, 8), window=(0.0, 0.5)), Windows(size=(16, 16), window=(0.5, 1.0))),
}


@pytest.mark.parametrize("edits", MEET.values(), ids=MEET)
def test_two_owners_that_meet_are_refused(edits):
    with pytest.raises(ConcordError, match="both set the"):
        check(*edits)


@pytest.mark.parametrize("edits", PART.values(), ids=PART)
def test_two_owners_that_never_meet_are_not(edits):
    check(*edits)


def test_a_batch_without_their_lane_has_no_clash():
    check(MutualAttention(), StyleInjection(), samples=1, roles=Lanes())


def test_a_lane_outside_of_the_batch_is_refused_when_the_run_starts():
    with pytest.raises(ConcordError, match="the target is image 2 of the batch .* holds 2; raise the batch size"):
        check(*style_aligned(), samples=2)
