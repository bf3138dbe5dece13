from __future__ import annotations

from ..processors.images.depth import depth_hint
from ._api import io
from ._hint import CATEGORY, hint, picture, shown


class Depth(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_Depth",
            display_name="Depth (Concord)",
            category=CATEGORY,
            description="Sees how far everything in a picture is: white is near, black is far. The hint of depth ControlNets, and the start for Normals from Depth.",
            search_aliases=["depth", "DepthAnythingPreprocessor", "DepthAnythingV2Preprocessor", "MiDaS-DepthMapPreprocessor", "midas", "dpt", "preprocessor"],
            inputs=[io.Custom("CONCORD_DEPTH").Input("depth_model", tooltip="From Load Depth Model."), picture()],
            outputs=[hint("Depth from black (far) to white (near), for depth ControlNets and Normals from Depth.")],
        )

    @classmethod
    def execute(cls, depth_model, image) -> io.NodeOutput:
        def make(network, pictures):
            predict = lambda prepared: network(prepared.to(network.dtype)).predicted_depth
            return depth_hint(predict, pictures, depth_model.wants, depth_model.metres)

        return shown(cls, image, make, depth_model.network)
