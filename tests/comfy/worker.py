"""The host process of conftest.py: boots a real ComfyUI without its server, imports the pack, answers calls.

A script in scripts/ is a plain Python file; each of its functions may be called from a test by name, with keyword arguments, and
returns what exchange.py can write. Functions run in inference mode, as nodes do. The pack is there as `concord`, whatever its
folder is called; the host as `comfy`, `nodes`, `folder_paths`, ...; builders of small models as `hostkit`.
"""
from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
import traceback
from pathlib import Path


def boot(host: Path, folder: Path, **settings: object) -> None:
    """Makes the host importable, on the CPU, with all folders that it may write to below `folder`. settings: others of the host's command line."""
    for name in ("models", "input", "output", "temp", "user", "custom_nodes"):
        (folder / name).mkdir(exist_ok=True)
    sys.path.insert(0, str(host))
    import comfy.options
    comfy.options.enable_args_parsing(False)
    from comfy.cli_args import args
    vars(args).update({"cpu": True, "base_directory": str(folder), **settings})  # read when comfy.model_management and folder_paths are imported
    import torch
    torch.set_num_threads(1)
    import utils.extra_config  # noqa: F401  # before `nodes`, as main.py does: old hosts hide it later

    import nodes  # noqa: F401


def import_pack(root: Path) -> None:
    """The checkout as package `concord`."""
    spec = importlib.util.spec_from_file_location("concord", root / "__init__.py", submodule_search_locations=[str(root)])
    assert spec and spec.loader
    sys.modules["concord"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def answer(request: dict):
    import torch
    from exchange import load, save
    path = Path(request["script"])
    spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    assert spec and spec.loader
    if spec.name not in sys.modules:
        sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[spec.name])
    with torch.inference_mode():
        result = getattr(sys.modules[spec.name], request["call"])(**load(Path(request["folder"]) / "arguments"))
        save(result, Path(request["folder"]) / "result")
    return {}


def main() -> None:
    """Reads requests from standard input, one JSON line each, and writes an answer line for each; everything else goes to the log."""
    host, root, folder = (Path(argument) for argument in sys.argv[1:4])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    boot(host, folder)
    import_pack(root)
    sys.path += [str(Path(__file__).parent / "scripts"), str(Path(__file__).parents[1] / "contract")]  # what scripts share: techniques.py, technique_rows.py
    for line in sys.stdin:
        with contextlib.redirect_stdout(sys.stderr):
            try:
                reply = answer(json.loads(line))
            except Exception:                                     # whatever a script raises is the test's result, not the end of the process
                reply = {"error": traceback.format_exc()}
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
