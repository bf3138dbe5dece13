from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

from ._api import host, io, model_files

FOLDER, WEIGHTS = "depth", "model.safetensors"
NOTHING = f"put the folder Depth-Anything-V2-Small-hf into models/{FOLDER}"


def folders() -> list[str]:
    """Folders of models/depth that hold a model, with / between their names."""
    paths = [PurePosixPath(name.replace("\\", "/")) for name in model_files(FOLDER)]
    return sorted({path.parent.as_posix() for path in paths if path.name == WEIGHTS and path.parent.name})


class LoadDepth(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_LoadDepth",
            display_name="Load Depth Model (Concord)",
            category="concord/loaders",
            description="Loads a network that sees how far everything in a picture is, for Depth: Depth Anything (1 or 2) or DPT, from a folder as transformers saves it.",
            search_aliases=["depth anything", "midas", "dpt", "depth model", "DownloadAndLoadDepthAnythingV2Model"],
            inputs=[
                io.Combo.Input("model_name", options=folders() or [NOTHING],
                               tooltip="A folder of models/depth with config.json, preprocessor_config.json and model.safetensors."),
            ],
            outputs=[io.Custom("CONCORD_DEPTH").Output(display_name="depth_model", tooltip="For Depth.")],
        )

    @classmethod
    def execute(cls, model_name) -> io.NodeOutput:
        from ..model_loaders.depth import read_depth

        model = read_depth(Path(host().model_path(FOLDER, f"{model_name}/{WEIGHTS}")).parent)
        return io.NodeOutput(replace(model, network=host().keep(model.network, half=True)))
