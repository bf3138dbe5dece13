"""An edit's id is its content: the same in every process, another one for every other content."""
from __future__ import annotations

from dataclasses import dataclass, fields

import pytest
import torch
from concord.processors.attention.style_aligned import style_aligned
from concord.processors.edit import Edit, Stage
from concord.processors.features.controlnet import ControlResiduals
from concord.processors.prediction.multidiffusion import multidiffusion
from concord.tests.engine.table import EVERYTHING, TABLE

EDITS = [edit for technique in TABLE.values() for edit in technique.edits] + [*style_aligned(), *multidiffusion((8, 8), (4, 4)), ControlResiduals(strength=0.5)]
PRINT = """
from concord.tests.engine.test_ids import EDITS
print(*(edit.id for edit in EDITS))
"""


def test_another_process_gives_the_same_ids(python):
    """Which has another seed of its own hashes."""
    done = python(PRINT)
    assert done.stdout.split() == [edit.id for edit in EDITS], done.stderr


def other(value):
    """A value of the same kind that differs a little."""
    match value:
        case None:
            return frozenset({1})
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value + "v"
        case torch.Tensor():
            return torch.cat([value.flatten()[:1] + 1, value.flatten()[1:]]).reshape(value.shape)
        case tuple():
            return (other(value[0]), *value[1:]) if value else (torch.zeros(1),)
        case dict():
            return {**value, next(iter(value)): other(next(iter(value.values())))}
        case frozenset():
            return value | {"extra0"}


def unchecked(edit: Edit, name: str, value) -> Edit:
    """With another value of a field, whether the edit would accept it or not."""
    twin = object.__new__(type(edit))
    twin.__dict__.update({f.name: getattr(edit, f.name) for f in fields(edit)} | {name: value})
    return twin


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.technique)
def test_every_field_counts(edit):
    changed = [unchecked(edit, f.name, other(getattr(edit, f.name))).id for f in fields(edit)]
    assert len({edit.id, *changed}) == len(changed) + 1


@dataclass(frozen=True, eq=False, kw_only=True)
class Holder(Edit):
    technique = "Holder"
    stage = Stage.FEATURES
    what: object = None
    more: object = None


def rename(technique: str) -> type[Edit]:
    return type("Holder", (Holder,), {"technique": technique})


ALIKE = {
    "one list or two": (Holder(what=(1, 2), more=(3,)), Holder(what=(1,), more=(2, 3))),
    "text that looks like two fields": (Holder(what="a", more="b"), Holder(what="a more b")),
    "number or text": (Holder(what=1), Holder(what="1")),
    "shape": (Holder(what=torch.zeros(2, 3)), Holder(what=torch.zeros(3, 2))),
    "dtype": (Holder(what=torch.zeros(4)), Holder(what=torch.zeros(4, dtype=torch.int32))),
    "one far number of a large tensor": (Holder(what=torch.zeros(5000)), Holder(what=torch.zeros(5000).index_fill(0, torch.tensor(4000), 1e-6))),
    "technique": (rename("A")(what=1), rename("B")(what=1)),
}


@pytest.mark.parametrize("pair", ALIKE.values(), ids=ALIKE)
def test_contents_that_look_alike_are_told_apart(pair):
    assert pair[0].id != pair[1].id


def test_layout_in_memory_does_not_count():
    tensor = torch.arange(12.0).reshape(3, 4)
    ids = {Holder(what=t).id for t in (tensor, tensor.clone().requires_grad_(), tensor.T.contiguous().T, torch.cat([tensor, tensor])[3:])}
    assert len(ids) == 1


def test_the_order_of_dicts_and_sets_does_not_count():
    assert Holder(what={"a": 1, "b": 2}).id == Holder(what={"b": 2, "a": 1}).id
    assert Holder(what=frozenset(EVERYTHING)).id == Holder(what=frozenset(reversed(EVERYTHING))).id


@pytest.mark.parametrize("tensor", [torch.zeros(0), torch.tensor(1.0), torch.ones(3, dtype=torch.bfloat16), torch.ones(3, dtype=torch.bool)], ids=str)
def test_any_tensor_has_an_id(tensor):
    assert Holder(what=tensor).id == Holder(what=tensor.clone()).id


@dataclass(frozen=True)
class Handle:
    id: str


def test_weights_count_by_the_id_of_their_handle():
    assert Holder(what=Handle("a")).id == Holder(what=Handle("a")).id != Holder(what=Handle("b")).id


def test_things_without_content_are_refused():
    """An address would give another id in every process."""
    with pytest.raises(TypeError, match="handle with an id"):
        _ = Holder(what=object()).id
