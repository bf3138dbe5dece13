"""The node schema where no ComfyUI is: the names of `comfy_api.latest` that our nodes use, with the same meaning, and nothing else.

A node is a class with `define_schema` and `execute`, as in ComfyUI's V3 API; this module holds no behaviour of its own. Its arguments are
strict: one that ComfyUI does not have is refused here, so that a typing error cannot hide behind the leniency of `_api`.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar


class Hidden(str, Enum):
    """What a node may ask for beside its inputs; read as `cls.hidden.prompt` and so on."""

    unique_id = "UNIQUE_ID"
    prompt = "PROMPT"
    extra_pnginfo = "EXTRA_PNGINFO"


class UploadType(str, Enum):
    image = "image_upload"


class FolderType(str, Enum):
    input = "input"
    output = "output"
    temp = "temp"


class NumberDisplay(str, Enum):
    number = "number"
    slider = "slider"


class ControlAfterGenerate(str, Enum):
    fixed = "fixed"
    increment = "increment"
    decrement = "decrement"
    randomize = "randomize"


@dataclass
class Input:
    """One input of a node; without a widget it can only be linked."""

    io_type: ClassVar[str] = "*"
    id: str
    display_name: str | None = field(default=None, kw_only=True)
    optional: bool = field(default=False, kw_only=True)
    tooltip: str | None = field(default=None, kw_only=True)
    lazy: bool | None = field(default=None, kw_only=True)
    raw_link: bool | None = field(default=None, kw_only=True)
    advanced: bool | None = field(default=None, kw_only=True)
    extra_dict: dict[str, Any] = field(default_factory=dict, kw_only=True)


@dataclass
class WidgetInput(Input):
    """An input that can be set in the node itself."""

    default: Any = field(default=None, kw_only=True)
    socketless: bool | None = field(default=None, kw_only=True)
    force_input: bool | None = field(default=None, kw_only=True)


@dataclass
class _Int(WidgetInput):
    min: int | None = field(default=None, kw_only=True)
    max: int | None = field(default=None, kw_only=True)
    step: int | None = field(default=None, kw_only=True)
    display_mode: NumberDisplay | None = field(default=None, kw_only=True)
    control_after_generate: bool | ControlAfterGenerate | None = field(default=None, kw_only=True)


@dataclass
class _Float(WidgetInput):
    min: float | None = field(default=None, kw_only=True)
    max: float | None = field(default=None, kw_only=True)
    step: float | None = field(default=None, kw_only=True)
    round: float | None = field(default=None, kw_only=True)
    display_mode: NumberDisplay | None = field(default=None, kw_only=True)


@dataclass
class _Boolean(WidgetInput):
    label_on: str | None = field(default=None, kw_only=True)
    label_off: str | None = field(default=None, kw_only=True)


@dataclass
class _String(WidgetInput):
    multiline: bool = field(default=False, kw_only=True)
    placeholder: str | None = field(default=None, kw_only=True)
    dynamic_prompts: bool | None = field(default=None, kw_only=True)


@dataclass
class _Combo(WidgetInput):
    options: list[Any] = field(default_factory=list)
    upload: UploadType | None = field(default=None, kw_only=True)
    image_folder: FolderType | None = field(default=None, kw_only=True)
    control_after_generate: bool | ControlAfterGenerate | None = field(default=None, kw_only=True)


@dataclass
class Output:
    """One output of a node."""

    io_type: ClassVar[str] = "*"
    id: str | None = None
    display_name: str | None = None
    tooltip: str | None = field(default=None, kw_only=True)
    is_output_list: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        self.display_name = self.display_name or self.id


class ComfyType:
    """A socket type: `io_type` is its name on the wire, `Input` and `Output` make the two ends."""

    io_type: ClassVar[str]
    Input: ClassVar[type]
    Output: ClassVar[type]


def Custom(io_type: str) -> type[ComfyType]:
    """A socket type of one's own."""
    return _type(io_type, Input)


def _type(name: str, ends: type) -> Any:
    members = {"io_type": name, "Input": type("Input", (ends,), {"io_type": name}), "Output": type("Output", (Output,), {"io_type": name})}
    return type(name, (ComfyType,), members)


Int = _type("INT", _Int)
Float = _type("FLOAT", _Float)
Boolean = _type("BOOLEAN", _Boolean)
String = _type("STRING", _String)
Combo = _type("COMBO", _Combo)
Image = Custom("IMAGE")
Mask = Custom("MASK")
Latent = Custom("LATENT")
Conditioning = Custom("CONDITIONING")
Model = Custom("MODEL")
Clip = Custom("CLIP")
Vae = Custom("VAE")
ControlNet = Custom("CONTROL_NET")
ClipVision = Custom("CLIP_VISION")
ClipVisionOutput = Custom("CLIP_VISION_OUTPUT")
StyleModel = Custom("STYLE_MODEL")
Sampler = Custom("SAMPLER")
Sigmas = Custom("SIGMAS")
Noise = Custom("NOISE")
Guider = Custom("GUIDER")
AnyType = Custom("*")


@dataclass
class Schema:
    """What a node is called, takes and gives."""

    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: list[Input] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    hidden: list[Hidden] = field(default_factory=list)
    description: str = ""
    search_aliases: list[str] = field(default_factory=list)
    is_input_list: bool = False
    is_output_node: bool = False
    is_deprecated: bool = False
    is_experimental: bool = False
    is_dev_only: bool = False
    not_idempotent: bool = False
    has_intermediate_output: bool = False


class NodeOutput:
    """The values of a node's outputs, in order, and what it shows in the interface."""

    def __init__(self, *args: Any, ui: Any = None) -> None:
        self.args = args
        self.ui = ui

    @property
    def result(self) -> tuple[Any, ...] | None:
        return self.args or None


@dataclass(frozen=True)
class HiddenHolder:
    """The hidden values of the node that is running."""

    unique_id: str | None = None
    prompt: dict[str, Any] | None = None
    extra_pnginfo: dict[str, Any] | None = None


class ComfyNode:
    """Base of every node. Subclasses may also have the class methods `validate_inputs` (True, or what is wrong) and `fingerprint_inputs`
    (changes when the result would, although the inputs do not)."""

    hidden: ClassVar[HiddenHolder] = HiddenHolder()

    @classmethod
    def define_schema(cls) -> Schema:
        raise NotImplementedError(f"{cls.__name__} must say what it takes and gives")

    @classmethod
    def execute(cls, **inputs: Any) -> Any:
        raise NotImplementedError(f"{cls.__name__} must say what it does")


class ComfyExtension:
    """What a node pack hands to its host."""

    async def on_load(self) -> None:
        """Nothing to prepare."""

    async def get_node_list(self) -> list[type[ComfyNode]]:
        raise NotImplementedError(f"{type(self).__name__} must list its nodes")


@dataclass(frozen=True)
class PreviewImage:
    """Images [B, y, x, C] 0..1 for the node's own preview; shown by an interface, where there is one."""

    image: Any
    animated: bool = False
    cls: Any = None
