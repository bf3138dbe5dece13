"""ComfyUI's own picture nodes: load from the input folder, save to the output folder."""
from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....nodes import _schema as io
from ....processors.errors import ConcordError
from ..graph.context import FileNames, current
from ._pictures import read_picture

if TYPE_CHECKING:
    from torch import Tensor

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"})


def picture_names() -> FileNames:
    return FileNames([name for name in current().names("input") if Path(name).suffix.lower() in PICTURES], "input")


def picture_path(name: str) -> Path:
    """Of "photo.png", "sub/photo.png" or, with the folder named, "photo.png [output]"."""
    for folder in ("input", "output"):
        if name.endswith(f"[{folder}]"):
            return current().find(folder, name.removesuffix(f"[{folder}]").rstrip())
    if name.endswith("[temp]"):
        raise ConcordError(f'"{name}" names ComfyUI\'s folder for passing pictures, which is not kept; copy the picture to {current().input}')
    return current().find("input", name)


def picture_is_there(name: str | None) -> bool | str:
    try:
        return name is None or bool(picture_path(name))
    except ConcordError as error:
        return f'input "image": {error}'


class LoadImage(io.ComfyNode):
    """IMAGE [B, y, x, 3] and MASK [B, y, x] = 1 - alpha; animations give one image per frame. Without alpha the mask is 64 x 64 zeros."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoadImage",
            display_name="Load Image",
            category="image",
            description="Loads a picture from the input folder.",
            inputs=[io.Combo.Input("image", options=picture_names(), upload=io.UploadType.image, tooltip="A file in the input folder (--input).")],
            outputs=[io.Image.Output("IMAGE"), io.Mask.Output("MASK")],
        )

    @classmethod
    def validate_inputs(cls, image: str | None) -> bool | str:
        return picture_is_there(image)

    @classmethod
    def fingerprint_inputs(cls, image: str) -> str:
        return hashlib.sha256(picture_path(image).read_bytes()).hexdigest()

    @classmethod
    def execute(cls, image: str) -> io.NodeOutput:
        return io.NodeOutput(*read_picture(picture_path(image)))


class LoadImageMask(io.ComfyNode):
    """MASK [B, y, x]: one channel of a picture; alpha comes inverted, as in LoadImage."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoadImageMask",
            display_name="Load Image (as Mask)",
            category="mask",
            description="Loads one channel of a picture in the input folder as a mask.",
            inputs=[
                io.Combo.Input("image", options=picture_names(), upload=io.UploadType.image, tooltip="A file in the input folder (--input)."),
                io.Combo.Input("channel", options=["alpha", "red", "green", "blue"], tooltip="Which channel is the mask; alpha is inverted."),
            ],
            outputs=[io.Mask.Output("MASK")],
        )

    @classmethod
    def validate_inputs(cls, image: str | None) -> bool | str:
        return picture_is_there(image)

    @classmethod
    def fingerprint_inputs(cls, image: str, channel: str) -> str:
        return LoadImage.fingerprint_inputs(image)

    @classmethod
    def execute(cls, image: str, channel: str) -> io.NodeOutput:
        pixels, mask = read_picture(picture_path(image))
        return io.NodeOutput(mask if channel == "alpha" else pixels[..., ("red", "green", "blue").index(channel)].clone())


class SaveImage(io.ComfyNode):
    """Writes PNG files that carry the workflow."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SaveImage",
            display_name="Save Image",
            category="image",
            description="Saves images in the output folder.",
            inputs=[
                io.Image.Input("images", tooltip="The images to save."),
                io.String.Input("filename_prefix", default="ComfyUI", tooltip="Start of the file's name; %date:yyyy-MM-dd% and folders are allowed."),
            ],
            outputs=[io.Image.Output("images")],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, images: Tensor, filename_prefix: str = "ComfyUI") -> io.NodeOutput:
        from ..graph.pictures import save

        return io.NodeOutput(images, ui={"images": save(images, filename_prefix, current().output, carried(cls))})


class PreviewImage(io.ComfyNode):
    """Writes PNG files to the folder `preview` of the output folder: without an interface there is no other place to look at them."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PreviewImage",
            display_name="Preview Image",
            category="image",
            description="Shows images; here they are saved in the folder `preview` of the output folder.",
            inputs=[io.Image.Input("images", tooltip="The images to look at.")],
            outputs=[io.Image.Output("images")],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, images: Tensor) -> io.NodeOutput:
        from ..graph.pictures import save

        preview = f"preview/node-{cls.hidden.unique_id}".replace(":", "-")  # subgraph ids have colons, which Windows refuses in names
        return io.NodeOutput(images, ui={"images": save(images, preview, current().output, carried(cls), level=1)})


def carried(node: type[io.ComfyNode]) -> dict[str, Any]:
    """Text chunks of a picture: the prompt, and the drawn workflow where there is one."""
    return {"prompt": node.hidden.prompt, **(node.hidden.extra_pnginfo or {})} if node.hidden.prompt else {}
