from __future__ import annotations

from ._api import host, io, model_files

FOLDER = "dexined"
NOTHING = f"put DexiNed_BIPED_10.pth into models/{FOLDER}"


class LoadSoftEdge(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_LoadSoftEdge",
            display_name="Load Soft Edge Model (Concord)",
            category="concord/loaders",
            description="Loads DexiNed, a network that draws soft edges as people would, for Soft Edges.",
            search_aliases=["dexined", "soft edge model", "edge detection model", "hed", "pidinet"],
            inputs=[
                io.Combo.Input("model_name", options=model_files(FOLDER) or [NOTHING],
                               tooltip="A file of models/dexined: DexiNed_BIPED_10.pth, which kornia publishes, or the same as safetensors."),
            ],
            outputs=[io.Custom("CONCORD_SOFT_EDGE").Output(display_name="soft_edge_model", tooltip="For Soft Edges.")],
        )

    @classmethod
    def execute(cls, model_name) -> io.NodeOutput:
        from ..model_loaders.soft_edge import read_soft_edge

        return io.NodeOutput(host().keep(read_soft_edge(host().model_path(FOLDER, model_name))))
