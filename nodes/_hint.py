"""What the nodes share that make hints for ControlNets: one picture in, one hint out, shown on the node."""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._api import host, io, ui

if TYPE_CHECKING:
    from torch import Tensor

CATEGORY = "concord/preprocessors"


def picture(tooltip: str = "The picture, or a batch of them. The hint has the same size.") -> Any:
    return io.Image.Input("image", tooltip=tooltip)


def hint(tooltip: str) -> Any:
    return io.Image.Output(display_name="hint", tooltip=tooltip)


def shown(node: type, image: Tensor, make: Callable[..., Tensor], model: Any = None) -> io.NodeOutput:
    """What `make` ([B, 3, y, x] -> [B, 1|3, y, x]) gives for a batch [B, y, x, C], with its preview; of a model that it needs it gets the network first."""
    made = host().make_hints(make, image, model)
    return io.NodeOutput(made, ui=ui.PreviewImage(made, cls=node))
