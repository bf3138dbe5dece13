"""ControlNet: what a control network adds to the features of the model, weighed by strength, schedule, block, place and lane.

Zhang et al., Adding Conditional Control to Text-to-Image Diffusion Models, arXiv 2302.05543, section 3; the soft weights of guess mode are those of
the authors' code. T2I-Adapter (Mou et al., arXiv 2302.08453) and other networks that add to the same places are weighed alike.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..edit import Edit, Stage
from ..errors import ConcordError
from ..rows import View
from ..run import Step
from ..schedule import Curve
from .block_weights import check_count, soft_weights
from .residuals import Residuals, pooled

UNION_TYPES = {"openpose": 0, "depth": 1, "hed/pidi/scribble/ted": 2, "canny/lineart/anime_lineart/mlsd": 3, "normal": 4, "segment": 5, "tile": 6, "repaint": 7}
POSITIVE = frozenset({"positive"})
MODES: dict[str, dict[str, Any]] = {  # what wins where prompt and hint disagree
    "balanced": {},
    "prompt is more important": {"soft": True},
    "control is more important": {"soft": True, "branches": POSITIVE},  # guess mode: guidance then pushes along the hint, too
}


@dataclass(frozen=True, eq=False, kw_only=True)
class ControlResiduals(Edit):
    """The residuals of one control network times `strength`, inside the window of progress.

    `branches`: the prompts that hosts put the control on. The mask lies over the hint: it is cut and windowed with it.
    """

    technique = "ApplyControlNet"
    stage = Stage.FEATURES
    strength: float = 1.0
    curve: Curve | None = None  # a further factor over the progress
    soft: bool = False  # the published soft weights
    blocks: tuple[float, ...] = ()  # a weight each: skips from the first block on, then the middle; (): 1
    mask: Tensor | None = None  # [1 | B, y, x] 0..1
    lanes: tuple[tuple[str, float], ...] = ()  # (lane, weight); a lane that is not here has 1
    pooled: bool = False  # each residual's mean over the picture in its place, for networks that were trained so (shuffle)

    def neutral(self) -> bool:
        return self.strength == 0 or (self.curve is not None and self.curve.zero) or (bool(self.blocks) and not any(self.blocks))

    def active(self, step: Step) -> bool:
        return super().active(step) and (self.curve is None or self.curve.at(step.progress) != 0)

    def check_blocks(self, blocks: int) -> None:
        """For hosts, before the first step. blocks: those of the model on the way down."""
        check_count(self.blocks, blocks)

    @property
    def spatial(self) -> bool:
        """Whether it asks for blocks or places, which only residuals of a UNet have."""
        return self.soft or self.pooled or bool(self.blocks) or self.mask is not None

    def weigh(self, residuals: Residuals, step: Step, view: View | None = None, views: tuple[View, ...] = ()) -> Residuals:
        """The residuals of one model call, weighed. view: the window of the hint's canvas that the rows see; None: all of it. views: of each row its own."""
        check_count(self.blocks, residuals.blocks)
        factor = self.strength * (1.0 if self.curve is None else self.curve.at(step.progress))
        weights = self.weights(residuals)
        lanes = tuple(dict(self.lanes).get(row.lane, 1.0) for row in step.rows)
        alike = set(lanes) <= {1.0}
        if factor == 1 and not weights and not self.pooled and self.mask is None and alike:
            return residuals

        def weighed(t: Tensor, block: int) -> Tensor:
            t = pooled(t) if self.pooled else t
            by = factor * weights.get(block, 1.0)
            t = t if by == 1 else t * by
            t = t if self.mask is None else t * self.mask_on(t, step, views or (view,))
            return t if alike else t * step.once(("lanes", lanes, t.dtype, t.device), lambda: t.new_tensor(lanes).view(-1, 1, 1, 1))

        return residuals.each(weighed)

    def weights(self, residuals: Residuals) -> dict[int, float]:
        """The blocks whose weight is not 1."""
        given, blocks = dict(enumerate(self.blocks)), residuals.blocks
        if self.soft:
            entering = (*residuals.inputs[:blocks], *residuals.middle) if residuals.inputs else ()  # an adapter's maps
            soft = soft_weights(blocks, tuple(block for block, t in enumerate(entering) if t is not None))
            given = {block: given.get(block, 1.0) * weight for block, weight in soft.items()}
        return {block: weight for block, weight in given.items() if weight != 1}

    def mask_on(self, t: Tensor, step: Step, views: tuple[View | None, ...]) -> Tensor:
        """The mask on the grid of a residual, as its rows see it: [1 | R, 1, h, w] in the residual's dtype."""
        assert self.mask is not None
        grid = (t.shape[-2], t.shape[-1])
        of = lambda view: step.once(("control mask", self, grid, view, t.dtype, t.device), lambda: self.seen(grid, view, t))
        if len(self.mask) == len(set(views)) == 1:
            return of(views[0])
        each = views if len(views) > 1 else views * len(step.rows)
        rows = tuple((row.sample % len(self.mask), view) for row, view in zip(step.rows, each, strict=True))
        return step.once(("control masks", self, grid, rows, t.dtype, t.device), lambda: torch.cat([of(view)[sample][None] for sample, view in rows]))

    def seen(self, grid: tuple[int, int], view: View | None, like: Tensor) -> Tensor:
        assert self.mask is not None
        mask = centre(self.mask.to(like.device, torch.float32), (view.canvas if view else grid))[:, None]
        if view is not None:
            mask = view.crop(interpolate(mask, view.canvas, mode="area"))
        return interpolate(mask, grid, mode="area").to(like.dtype)


def centre(mask: Tensor, canvas: tuple[int, int]) -> Tensor:
    """[B, y, x]: the middle that has the canvas's proportions, as hints are cut."""
    (y, x), (h, w) = mask.shape[-2:], canvas
    off_y, off_x = max(0, round((y - x * h / w) / 2)), max(0, round((x - y * w / h) / 2))
    return mask[:, off_y : y - off_y, off_x : x - off_x]


def control_mask(mask: Tensor | None) -> Tensor | None:
    """A mask as hosts hand it over, [y, x] or [B, y, x] -> [B, y, x]; None where it changes nothing."""
    if mask is None:
        return None
    if mask.ndim not in (2, 3) or not mask.numel():
        raise ConcordError(f"a mask of one or of several pictures was expected, got one of shape {list(mask.shape)}; connect a MASK")
    return mask if mask.ndim == 3 else mask[None]


def not_control(given: Any) -> ConcordError:
    return ConcordError(f"a CONTROL_NET was expected, got {'nothing' if given is None else f'a {type(given).__name__}'}; connect Load ControlNet Model")


def union_number(union_type: str, types: int) -> int:
    """A key of UNION_TYPES as a union ControlNet of so many types knows it. types 0: it is no union."""
    if not types:
        raise ConcordError(f"union_type is {union_type!r}, but this ControlNet is no union of several types; set it to auto, or load a union ControlNet")
    if UNION_TYPES[union_type] >= types:
        known = ", ".join(name for name, number in UNION_TYPES.items() if number < types)
        raise ConcordError(f"union_type is {union_type!r}, but this union ControlNet knows {types} types: {known}; choose one of them, "
                           "or load the ProMax version")
    return UNION_TYPES[union_type]
