"""The process inside a real ComfyUI, without its server: python in_comfyui.py HOST ROOT FOLDER JOB. What it finds lies in FOLDER/found.json."""
from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    host, root, folder = (Path(argument) for argument in sys.argv[1:4])
    told = json.loads(sys.argv[4])
    sys.path[0] = str(root / "tests" / "comfy")  # in the place of this folder, whose names are not the host's
    from worker import boot, import_pack

    boot(host, folder, cpu=told["device"] == "cpu", use_pytorch_cross_attention=True)  # the fused kernel, as on GPUs
    import_pack(root)
    from concord.benchmarks.jobs import Job, do

    job = Job(**{name: tuple(value) if isinstance(value, list) else value for name, value in told.items()})
    say = lambda line: sys.stderr.write(f"{line}\n") and sys.stderr.flush()
    found = []
    for part in do("comfyui", job, say):
        found.append(part)
        (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
