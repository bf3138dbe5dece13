from __future__ import annotations

from ._api import host, io, model_files


class LoadImageAdapter(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_LoadImageAdapter",
            display_name="Load Image Adapter (Concord)",
            category="concord/loaders",
            description="Loads an IP-Adapter file: the part that lets a picture take part in the prompt.",
            search_aliases=["ip-adapter", "ipadapter", "IPAdapterModelLoader", "load ip adapter", "image prompt"],
            inputs=[
                io.Combo.Input("adapter_name", options=model_files("ipadapter"),
                               tooltip="A file of models/ipadapter, for the family of your model (Stable Diffusion 1.x or SDXL). What kind it is, is read from the file itself."),
            ],
            outputs=[io.Custom("CONCORD_ADAPTER").Output(display_name="adapter", tooltip="For Decoupled Cross-Attention. Its weights stay in main memory.")],
        )

    @classmethod
    def execute(cls, adapter_name) -> io.NodeOutput:
        return io.NodeOutput(host().read_adapter(adapter_name))
