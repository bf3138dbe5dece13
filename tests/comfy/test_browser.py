"""The region editor in ComfyUI's own frontend, in both of its node renderers, driven as a hand would. Needs Chromium."""
from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import ROOT, clean_environment, host_python
from .server import Server

if sys.platform == "win32":
    pytest.skip("the browser is driven over pipes that Windows does not have", allow_module_level=True)

from . import browser  # noqa: E402
from .browser import CONTROL, Browser  # noqa: E402

MISSING = f"the region editor is not tried in a browser: none of {', '.join(browser.NAMES)} is installed"
pytestmark = pytest.mark.skipif(not browser.executable(), reason=MISSING)
DEEP = True  # in older hosts: slow

READY = "Boolean(window.app?.graph && window.LiteGraph?.registered_node_types?.Concord_Regions && app.extensionManager?.workflow?.activeWorkflow)"
PLACE = """(() => {
  app.graph.clear(); app.canvas.ds.scale = 1; app.canvas.ds.offset = [300, 120];
  const node = LiteGraph.createNode("Concord_Regions"); app.graph.add(node); app.canvas.setDirty(true, true);
})()"""
NODE = 'app.graph._nodes.find((node) => node.comfyClass === "Concord_Regions")'
TEXT = f'{NODE}.widgets.find((widget) => widget.name === "regions").value'
SHOWN = '(() => { const at = document.querySelector(".concord-regions .stage")?.getBoundingClientRect(); return at && at.width > 200 && at.height > 150; })()'
POINT = """import("/extensions/concord-main/regions/viewport.mjs").then(({ frame }) => {
  const stage = document.querySelector(".concord-regions .stage"), at = stage.getBoundingClientRect();
  const shown = frame(at.width, at.height, 1, 18);
  return [at.left + shown.x + %f * shown.width, at.top + shown.y + %f * shown.height];
})"""


@pytest.fixture(scope="module")
def server(comfy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(comfy, host_python(comfy), ROOT, tmp_path_factory.mktemp("server"), clean_environment()) as running:
        yield running


@pytest.fixture(scope="module", params=[False, True], ids=["classic", "nodes 2.0"])
def page(request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """ComfyUI with one Regions node, which the tests share."""
    for name, value in {"Comfy.VueNodes.Enabled": request.param, "Comfy.Locale": "en", "Comfy.TutorialCompleted": True}.items():
        body = json.dumps(value).encode()
        server.ask(urllib.request.Request(f"{server.address}/settings/{name}", body, {"Content-Type": "application/json"}))
    with Browser(tmp_path_factory.mktemp("browser")) as made:
        made.call("Page.navigate", url=server.address)
        made.wait_for(READY)
        made.run(PLACE)
        made.wait_for(SHOWN)
        made.run("new Promise((then) => setTimeout(then, 1000))")  # until the node has its size
        yield made
        assert not [error for error in made.errors if "concord" in error.lower()]


def regions(page: Browser) -> list[dict]:
    return json.loads(page.run(TEXT))


def test_draw_name_undo_delete_save(page: Browser):
    point = lambda x, y: tuple(page.run(POINT % (x, y)))
    page.drag(point(0.1, 0.05), point(0.5, 0.1), point(0.9, 0.15))
    assert len(regions(page)) == 3 and regions(page)[2]["box"] == pytest.approx([0.1, 0.05, 0.9, 0.15], abs=0.01)
    page.drag(point(0.9, 0.15), point(0.85, 0.15), point(0.7, 0.15))
    page.drag(point(0.4, 0.1), point(0.4, 0.08), point(0.5, 0.1))
    assert regions(page)[2]["box"] == pytest.approx([0.2, 0.05, 0.8, 0.15], abs=0.01)

    page.wait_for("""!document.querySelector('.concord-regions [name="words"]').disabled && !document.querySelector(".concord-regions .form").disabled""")
    page.run("""document.querySelector('.concord-regions [name="words"]').focus()""")
    page.call("Input.insertText", text="sun")
    assert regions(page)[2]["words"] == "sun"

    page.run(f'window.before = {NODE}; document.querySelector(".concord-regions .surface").focus()')
    page.press("z", CONTROL)
    page.press("z", CONTROL)
    page.run("new Promise((then) => setTimeout(then, 300))")  # ComfyUI's own undo would come later
    assert "words" not in regions(page)[2] and regions(page)[2]["box"] == pytest.approx([0.1, 0.05, 0.7, 0.15], abs=0.01)
    page.press("Delete")
    assert len(regions(page)) == 2 and page.run(f"window.before === {NODE}"), "the keys were the editor's, not the graph's"
    page.press("y", CONTROL)
    page.press("z", CONTROL)
    assert len(regions(page)) == 3

    text = page.run(TEXT)
    assert page.run(f"{NODE}.serialize().widgets_values") == [text, 1024, 1024, ""]
    sent = page.run("app.graphToPrompt().then(({ output }) => Object.values(output)[0].inputs)")
    assert sent == {"regions": text, "width": 1024, "height": 1024, "box_words": ""}
    page.run("app.loadGraphData(JSON.parse(JSON.stringify(app.graph.serialize())))")
    page.wait_for(f"{NODE} !== window.before && {SHOWN}")
    assert page.run(TEXT) == text


def test_a_text_that_cannot_be_read_stays_and_is_shown(page: Browser):
    broken = '[{"box": oops'
    page.run(f"{TEXT} = {json.dumps(broken)}")
    page.run(f"{NODE}.onConfigure({{}})")  # as after loading a file
    page.wait_for('document.querySelector(".concord-regions textarea").offsetHeight > 0')
    assert page.run('document.querySelector(".concord-regions textarea").value') == page.run(TEXT) == broken
    assert "no JSON" in page.run('document.querySelector(".concord-regions .problem").textContent')
