from __future__ import annotations

from ..processors.prediction.fusion import FUSIONS
from ..processors.prediction.multidiffusion import multidiffusion
from ._api import host, io

CELL = 8  # pixels per latent cell
MORE = dict(optional=True, advanced=True)


class MultiDiffusion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_MultiDiffusion",
            display_name="MultiDiffusion (Concord)",
            category="concord/space",
            description="Draws a picture wider or taller than the model was made for, in overlapping windows that agree at every step: panoramas without seams.",
            search_aliases=["multidiffusion", "panorama", "tiled diffusion", "mixture of diffusers", "TiledDiffusion"],
            inputs=[
                io.Model.Input("model", tooltip="The model that draws. Give the empty latent the size of the whole panorama."),
                io.Int.Input("window_width", default=0, min=0, max=8192, step=8, tooltip="Width of a window in pixels; 0 takes the size that the model was made for."),
                io.Int.Input("window_height", default=0, min=0, max=8192, step=8, tooltip="Height of a window in pixels; 0 takes the size that the model was made for."),
                io.Int.Input("stride", default=0, min=0, max=8192, step=8,
                             tooltip="How far the next window is moved, in pixels; 0 takes a quarter of the window. Smaller is smoother and slower. Downwards, stride_y may be another."),
                io.Combo.Input("fusion", options=list(FUSIONS), default="uniform",
                               tooltip="How windows blend where they overlap. Uniform: all alike, as in the paper. Gaussian: the middle of each window counts most. Cosine and linear: "
                                       "feathered edges, which let large strides go without seams."),
                io.Boolean.Input("wrap_x", default=False, tooltip="On: the right edge goes on at the left, for a panorama all around."),
                io.Boolean.Input("wrap_y", default=False, tooltip="On: the lower edge goes on at the top, for tiles."),
                io.Float.Input("start_percent", default=0.0, min=0.0, max=1.0, step=0.001, tooltip="From which part of the run on windows are used; before, the canvas is drawn as one."),
                io.Float.Input("end_percent", default=1.0, min=0.0, max=1.0, step=0.001, tooltip="Until which part of the run windows are used."),
                io.Int.Input("stride_y", default=0, min=0, max=8192, step=8, **MORE, tooltip="How far the next window is moved downwards, in pixels; 0 takes the stride."),
                io.Int.Input("feather", default=0, min=0, max=8192, step=8, **MORE,
                             tooltip="How wide the edges of cosine and linear are, in pixels, half a window at most; 0 takes as much as neighbours overlap."),
                io.Boolean.Input("jitter", default=False, **MORE, tooltip="On: the windows lie elsewhere in every step, so that their edges never meet twice. It allows larger strides."),
                io.Int.Input("jitter_seed", default=0, min=0, max=2**32 - 1, **MORE, tooltip="Where they lie, with jitter. The same number gives the same picture."),
                io.Int.Input("views_per_call", default=0, min=0, max=4096, **MORE,
                             tooltip="How many windows are computed together. 0 takes as many as fit into free memory, which is fastest. The picture is the same."),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="The model that draws in windows. Use it with any sampler.")],
        )

    @classmethod
    def execute(cls, model, window_width, window_height, stride, fusion, wrap_x, wrap_y, start_percent, end_percent, stride_y=0, feather=0, jitter=False,
                jitter_seed=0, views_per_call=0) -> io.NodeOutput:
        size = tuple((pixels or host().native_pixels(model)) // CELL for pixels in (window_height, window_width))
        strides = tuple(pixels // CELL or max(1, cells // 4) for pixels, cells in zip((stride_y or stride, stride), size, strict=True))
        edges = (feather // CELL,) * 2 if feather else None
        edits = multidiffusion(size, strides, fusion, (wrap_y, wrap_x), (start_percent, end_percent), edges, jitter_seed if jitter else None, views_per_call)
        return io.NodeOutput(host().attach(model, *edits))
