"""Models from the models folder: CheckpointLoaderSimple, DiffusersLoader, UNETLoader, VAELoader, CLIPLoader, DualCLIPLoader."""
from __future__ import annotations

from torch import Tensor, tensor

from ....nodes._api import io
from ....processors.errors import ConcordError
from ..graph.context import FileNames, current
from ..loading.autoencoder import vae_from
from ..loading.checkpoint import load_checkpoint
from ..loading.embeddings import EmbeddingFolders
from ..loading.files import read_tensors
from ..loading.folder import load_folder
from ..loading.text import load_text
from ..loading.unet import model_from

TINY = {"taesd": 0.18215, "taesdxl": 0.13025}  # in vae_approx, as two files each, and what their latents are scaled by


def embeddings() -> EmbeddingFolders:
    return EmbeddingFolders(tuple(current().folders("embeddings")))


class CheckpointLoaderSimple(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="CheckpointLoaderSimple", display_name="Load Checkpoint", category="model/loaders",
                         inputs=[io.Combo.Input("ckpt_name", options=current().names("checkpoints"))],
                         outputs=[io.Model.Output(), io.Clip.Output(), io.Vae.Output()])  # fmt: skip

    @classmethod
    def execute(cls, ckpt_name):
        context = current()
        return io.NodeOutput(*load_checkpoint(context.find("checkpoints", ckpt_name), embeddings(), context.device, context.dtype))


class DiffusersLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="DiffusersLoader", display_name="Load Diffusers Model (DEPRECATED)", category="model/loaders", is_deprecated=True,
                         inputs=[io.Combo.Input("model_path", options=current().names("diffusers"))],
                         outputs=[io.Model.Output(), io.Clip.Output(), io.Vae.Output()])  # fmt: skip

    @classmethod
    def execute(cls, model_path):
        context = current()
        return io.NodeOutput(*load_folder(context.find("diffusers", model_path), embeddings(), context.device, context.dtype))


class UNETLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="UNETLoader", display_name="Load Diffusion Model", category="model/loaders",
            inputs=[
                io.Combo.Input("unet_name", options=current().names("diffusion_models")),
                io.Combo.Input("weight_dtype", options=["default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2"], advanced=True),
            ],
            outputs=[io.Model.Output()],
        )  # fmt: skip

    @classmethod
    def execute(cls, unet_name, weight_dtype="default"):
        if weight_dtype != "default":
            raise ConcordError(f"UNETLoader: weight_dtype {weight_dtype} is not available outside ComfyUI; choose default.")
        context = current()
        return io.NodeOutput(model_from(read_tensors(context.find("diffusion_models", unet_name)), unet_name, context.device, context.dtype))


class VAELoader(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        names, approximate = current().names("vae"), current().names("vae_approx")
        tiny = [name for name in TINY if all(any(file.startswith(f"{name}_{side}.") for file in approximate) for side in ("encoder", "decoder"))]
        return io.Schema(node_id="VAELoader", display_name="Load VAE", category="model/loaders",
                         inputs=[io.Combo.Input("vae_name", options=FileNames([*names, *tiny], "vae"))], outputs=[io.Vae.Output()])  # fmt: skip

    @classmethod
    def execute(cls, vae_name):
        context = current()
        tensors = _tiny(vae_name) if vae_name in TINY else read_tensors(context.find("vae", vae_name))
        return io.NodeOutput(vae_from(tensors, vae_name, context.device, context.dtype))


def _tiny(name: str) -> dict[str, Tensor]:
    tensors, context = {"vae_scale": tensor(TINY[name])}, current()
    for side in ("encoder", "decoder"):
        file = next((file for file in context.names("vae_approx") if file.startswith(f"{name}_{side}.")), f"{name}_{side}.safetensors")
        tensors |= {f"taesd_{side}.{key}": value for key, value in read_tensors(context.find("vae_approx", file)).items()}
    return tensors


class CLIPLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CLIPLoader", display_name="Load CLIP", category="model/loaders",
            inputs=[
                io.Combo.Input("clip_name", options=current().names("text_encoders")),
                io.Combo.Input("type", options=["stable_diffusion"]),
                io.Combo.Input("device", options=["default", "cpu"], optional=True, advanced=True),
            ],
            outputs=[io.Clip.Output()],
        )  # fmt: skip

    @classmethod
    def execute(cls, clip_name, type="stable_diffusion", device="default"):
        if type != "stable_diffusion":
            raise ConcordError(f"CLIPLoader: type {type} is not supported outside ComfyUI yet; stable_diffusion fits.")
        return io.NodeOutput(load_text([current().find("text_encoders", clip_name)], embeddings(), current().device if device == "default" else device))


class DualCLIPLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        names = current().names("text_encoders")
        return io.Schema(
            node_id="DualCLIPLoader", display_name="DualCLIPLoader", category="model/loaders",
            inputs=[
                io.Combo.Input("clip_name1", options=names),
                io.Combo.Input("clip_name2", options=names),
                io.Combo.Input("type", options=["sdxl"]),
                io.Combo.Input("device", options=["default", "cpu"], optional=True, advanced=True),
            ],
            outputs=[io.Clip.Output()],
        )  # fmt: skip

    @classmethod
    def execute(cls, clip_name1, clip_name2, type="sdxl", device="default"):
        if type != "sdxl":
            raise ConcordError(f"DualCLIPLoader: type {type} is not supported outside ComfyUI yet; sdxl fits.")
        paths = [current().find("text_encoders", name) for name in (clip_name1, clip_name2)]
        return io.NodeOutput(load_text(paths, embeddings(), current().device if device == "default" else device))
