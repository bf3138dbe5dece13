"""Hint makers in ComfyUI: every node runs there with its preview, and gives what it gives headless."""
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from concord.hosts.diffusers.graph.context import Context, using
from concord.nodes import all_nodes

from ..hint_networks import dexined, save_depth

DEEP = True  # in older hosts: slow


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / "dexined").mkdir()
    torch.save(dexined().state_dict(), folder / "dexined" / "net.pth")
    save_depth(folder / "depth" / "small", "depth_anything")
    return folder


def headless(models: Path, image: torch.Tensor) -> dict[str, torch.Tensor]:
    found = {schema.node_id: (node, schema) for node in all_nodes() if (schema := node.define_schema())}
    with using(Context(models=models)):
        linked = {"Concord_SoftEdge": {"soft_edge_model": found["Concord_LoadSoftEdge"][0].execute("net.pth").args[0]},
                  "Concord_Depth": {"depth_model": found["Concord_LoadDepth"][0].execute("small").args[0]}}
        made = {}
        for name, (node, schema) in found.items():
            if schema.category == "concord/preprocessors":
                defaults = {taken.id: taken.default for taken in schema.inputs if getattr(taken, "default", None) is not None}
                output = node.execute(**(defaults | linked.get(name, {}) | {"image": image}))
                assert torch.equal(output.ui.image, output.args[0]), f"{name} shows something else than it gives"
                made[name] = output.args[0]
    return made


def test_every_node_runs_and_agrees_with_the_other_host(in_host, models):
    theirs = in_host("hints.py", models=str(models))
    ours = headless(models, in_host("hints.py", "picture"))
    assert sorted(theirs) == sorted(ours) and len(ours) >= 10
    for name in ours:
        assert (ours[name] - theirs[name]).abs().mean() < 1e-4, name


def test_networks_are_listed_managed_stopped_and_refused(in_host, models):
    assert in_host("hints.py", "listed", models=str(models)) == [["small"], ["net.pth"]]
    assert in_host("hints.py", "managed", models=str(models)) == 2
    assert in_host("hints.py", "stopped", models=str(models)) == []
    for node, name, folder in (("Concord_LoadSoftEdge", "gone.pth", "dexined"), ("Concord_LoadSoftEdge", "../depth/small/model.safetensors", "dexined"),
                               ("Concord_LoadDepth", "gone", "depth"), ("Concord_LoadDepth", "../../elsewhere", "depth")):  # fmt: skip
        told = in_host("hints.py", "refused", node=node, name=name)
        assert f'{folder} has no "' in told and f"models/{folder}" in told.replace("\\", "/"), told
