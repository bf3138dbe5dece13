from __future__ import annotations

from ..processors.images.soft_edge import soft_edges
from ._api import io
from ._hint import CATEGORY, hint, picture, shown


class SoftEdge(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_SoftEdge",
            display_name="Soft Edges (Concord)",
            category=CATEGORY,
            description="Soft, painterly edges drawn by a network: strong outlines, faint detail. The hint of soft-edge (HED) ControlNets, and the best start for Scribble.",
            search_aliases=["soft edge", "softedge", "HEDPreprocessor", "PiDiNetPreprocessor", "hed", "pidinet", "dexined", "preprocessor"],
            inputs=[
                io.Custom("CONCORD_SOFT_EDGE").Input("soft_edge_model", tooltip="From Load Soft Edge Model."),
                picture(),
                io.Boolean.Input("safe", default=False, tooltip="On: three greys only, so that nothing of the picture's shading shows through. Off: all greys, with finer detail."),
            ],
            outputs=[hint("Soft white edges on black, for soft-edge ControlNets and for Scribble.")],
        )

    @classmethod
    def execute(cls, soft_edge_model, image, safe) -> io.NodeOutput:
        return shown(cls, image, lambda network, pictures: soft_edges(network, pictures, safe), soft_edge_model)
