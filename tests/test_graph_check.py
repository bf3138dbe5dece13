"""Every line that `check` can say, and that good graphs have none."""
from __future__ import annotations

from pathlib import Path

import pytest
from concord.hosts.diffusers.graph.check import check, needed
from concord.hosts.diffusers.graph.context import Context, using
from concord.hosts.diffusers.graph.prompt import Prompt
from concord.hosts.diffusers.graph.registry import Registry
from concord.nodes import _schema as io
from concord.tests.graph_fakes import REGISTRY, Make, Tell, call

MAKE, TELL = call("Make"), call("Tell", words=["1", 0])


def lines(**calls: dict) -> list[str]:
    return check(Prompt({name.removeprefix("n"): dict(value, inputs=dict(value["inputs"])) for name, value in calls.items()}), REGISTRY)


@pytest.mark.parametrize(
    ("calls", "line"),
    [
        ({"n1": call("Make", seed=101)}, 'node 1 (Make): input "seed": got 101; fits: a whole number from 0 to 100'),
        ({"n1": call("Make", seed=-1)}, 'node 1 (Make): input "seed": got -1; fits: a whole number from 0 to 100'),
        ({"n1": call("Make", seed="many")}, "node 1 (Make): input \"seed\": got 'many'; fits: a whole number from 0 to 100"),
        ({"n1": call("Make", seed=None)}, 'node 1 (Make): input "seed": got None; fits: a whole number from 0 to 100'),
        ({"n1": call("Make", weight=2.5)}, 'node 1 (Make): input "weight": got 2.5; fits: a number from 0.0 to 2.0'),
        ({"n1": call("Make", weight=float("nan"))}, 'node 1 (Make): input "weight": got nan; fits: a number from 0.0 to 2.0'),
        ({"n1": call("Make", mood="lout")}, "node 1 (Make): input \"mood\": got 'lout'; fits: one of calm, loud (did you mean 'loud'?)"),
        ({"n1": call("Make", twice="perhaps")}, "node 1 (Make): input \"twice\": got 'perhaps'; fits: true or false"),
        ({"n1": call("Make", text={"a": 1})}, "node 1 (Make): input \"text\": got {'a': 1}; fits: text"),
        ({"n1": call("Make", "Mine", seed=101)}, "node 1 (Make 'Mine'): input \"seed\": got 101; fits: a whole number from 0 to 100"),
        ({"n1": {"class_type": "Make", "inputs": {"seed": 1, "weight": 1, "mood": "calm"}}}, 'node 1 (Make): input "text" is missing: it takes text'),
        ({"n2": call("Tell")}, 'node 2 (Tell): input "words" is missing: it takes a link from a WORDS output'),
        ({"n2": call("Tell", words="hello")}, "node 2 (Tell): input \"words\": got 'hello'; fits: a link from a WORDS output"),
        ({"n2": call("Tell", words=["7", 0])}, 'node 2 (Tell): input "words": linked to node 7, which is not there; fits: a link from a WORDS output'),
        ({"n2": call("Tell", words=["1"])}, "node 2 (Tell): input \"words\": got ['1']; a link is [node id, output number]"),
        ({"n2": call("Tell", words=["1", 1])}, 'node 2 (Tell): input "words": got INT from node 1 (Make); fits: WORDS; its output 0 words would fit'),
        (
            {"n2": call("Tell", words=["1", 5])},
            'node 2 (Tell): input "words": linked to output 5 of node 1 (Make), which has these outputs: 0 words, 1 count',
        ),
        ({"n1": call("make")}, "node 1 (make): unknown node; did you mean Make?"),
        ({"n1": call("Qwertyuiop")}, "node 1 (Qwertyuiop): unknown node; `concord nodes` lists all"),
        ({"n1": call("Lists")}, "node 1 (Lists): it works on lists of values, which only ComfyUI can run"),
        ({"n3": call("Picky", even=3)}, "node 3 (Picky): 3 is odd"),
    ],
)
def test_one_problem_gives_one_line(calls: dict, line: str) -> None:
    assert lines(**({"n1": MAKE, "n2": TELL} | calls)) == [line]


def test_a_good_graph_has_none() -> None:
    assert lines(n1=MAKE, n2=TELL, n3=call("Picky", even=6)) == []  # Picky judges its range itself


def test_all_problems_are_told_at_once() -> None:
    assert len(lines(n1=call("Make", seed=101, mood="x"), n2=TELL, n3=call("Picky", even="a"))) == 3


def test_no_output() -> None:
    assert lines(n1=MAKE) == ["no output node among the 1 active nodes, so there is nothing to run; one of these is needed: Picky, Tell"]


def test_cycle_names_its_nodes_only() -> None:
    calls = {f"n{i}": call("Change", words=[str(j), 0], number=1) for i, j in ((1, 2), (2, 3), (3, 1), (4, 3))}
    (line,) = lines(**calls, n5=call("Tell", words=["4", 0]))
    assert line.startswith("nodes feed themselves: ") and line.count("(Change)") == 4 and "node 4" not in line and "node 5" not in line


def test_two_cycles_give_two_lines() -> None:
    calls = {f"n{i}": call("Change", words=[str(j), 0], number=1) for i, j in ((1, 2), (2, 1), (3, 4), (4, 3))}
    assert len(lines(**calls, n5=call("Tell", words=["1", 0]), n6=call("Tell", words=["3", 0]))) == 2


def test_what_no_output_needs_is_not_looked_into() -> None:
    assert lines(n1=MAKE, n2=TELL, n3=call("Make", seed=1000), n4=call("SomeoneElsesNote")) == []


def test_values_become_their_inputs_types() -> None:
    prompt = Prompt({"1": call("Make", seed="7", weight="1.5", twice=1, text=3), "2": TELL})
    assert check(prompt, REGISTRY) == []
    assert [prompt.calls["1"]["inputs"][k] for k in ("seed", "weight", "twice", "text")] == [7, 1.5, True, "3"]


def test_deep_graphs_need_no_recursion() -> None:
    calls = {"0": MAKE} | {str(i): call("Change", words=[str(i - 1), 0], number=1) for i in range(1, 5000)} | {"tell": call("Tell", words=["4999", 0])}
    prompt = Prompt(calls)
    assert check(prompt, REGISTRY) == []
    assert needed(prompt, ["tell"]) == list(calls)


def test_missing_files_name_folder_and_what_is_there(tmp_path: Path) -> None:
    class Load(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            from concord.hosts.diffusers.graph.context import current

            return io.Schema("Load", inputs=[io.Combo.Input("name", options=current().names("loras"))], is_output_node=True)

    (tmp_path / "loras" / "sub").mkdir(parents=True)
    (tmp_path / "loras" / "sub" / "ink.safetensors").touch()
    with using(Context(models=tmp_path)):
        registry = Registry([Load, Make, Tell])
        assert check(Prompt({"1": call("Load", name="sub\\ink.safetensors")}), registry) == []
        (line,) = check(Prompt({"1": call("Load", name="inc.safetensors")}), registry)
    assert line == (
        f'node 1 (Load): input "name": loras has no "inc.safetensors": {tmp_path / "loras"} holds sub/ink.safetensors; did you mean "sub/ink.safetensors"?'
    )
