"""Hints that have a twin in OpenCV, pixel by pixel: the ControlNets were trained on OpenCV's. Skipped where it is not installed."""
from __future__ import annotations

import pytest
import torch
from concord.processors.images.canny import canny
from concord.processors.images.gradients import blurred, grey, sobel
from concord.processors.images.high_frequency import high_frequency
from torch import Tensor

from .hint_makers import scene

cv2 = pytest.importorskip("cv2", reason="OpenCV is the truth here and not installed: pip install opencv-python-headless")
SIZES = [(96, 128), (65, 97), (200, 31), (1, 90), (2, 3)]


def picture(y: int, x: int) -> Tensor:
    """[1, 3, y, x] in 8 bits: shapes, grain, and even parts, where neighbours are equal."""
    smooth = (blurred(scene(1, y, x), 1.0) * 255).round()
    smooth[..., : y // 3, :] = (smooth[..., : y // 3, :] / 16).floor() * 16
    return smooth / 255


def bytes_of(image: Tensor):
    return (image[0] * 255).round().byte().movedim(0, -1).contiguous().numpy()


def layers(array) -> Tensor:
    return torch.from_numpy(array).movedim(-1, 0)[None].float()


@pytest.mark.parametrize("thresholds", [(100, 200), (50, 100), (20, 400), (0, 0)])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_canny_is_opencvs(size, thresholds):
    image = picture(*size)
    expected = torch.from_numpy(cv2.Canny(bytes_of(image), *thresholds))
    assert torch.equal(canny(image, *thresholds)[0, 0] * 255, expected.float())


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_slopes_blur_and_grey_are_opencvs(size):
    image = picture(*size)
    whole = (image * 255).round()
    for slope, (dx, dy) in zip(sobel(whole), ((1, 0), (0, 1)), strict=True):
        assert torch.equal(slope, layers(cv2.Sobel(bytes_of(image), cv2.CV_32F, dx, dy, borderType=cv2.BORDER_REPLICATE)))
    array = image[0].movedim(0, -1).contiguous().numpy()
    assert (blurred(image, 2.0) - layers(cv2.GaussianBlur(array, (13, 13), 2.0, borderType=cv2.BORDER_REPLICATE))).abs().max() < 1e-6
    assert (grey(image)[0, 0] - torch.from_numpy(cv2.cvtColor(array, cv2.COLOR_RGB2GRAY))).abs().max() < 1e-6


@pytest.mark.parametrize("size", SIZES[:3], ids=str)
def test_high_frequencies_are_anydoors(size):
    """The authors' formula in OpenCV's own functions, which round to whole numbers: strengths may differ by half a level. Away from the
    picture's edge, where OpenCV mirrors it."""
    image = picture(*size)
    right, down = (cv2.convertScaleAbs(cv2.Sobel(bytes_of(image), cv2.CV_64F, dx, dy, ksize=3)) for dx, dy in ((1, 0), (0, 1)))
    strength = torch.from_numpy(cv2.addWeighted(right, 0.5, down, 0.5, 0).max(-1)).float()
    expected = (image * strength.where(strength >= 50, 0) / 255)[..., 1:-1, 1:-1]
    made, decided = high_frequency(image)[..., 1:-1, 1:-1], ((strength - 50).abs() > 1)[1:-1, 1:-1]
    assert ((made - expected) * decided).abs().max() < 0.51 / 255 and expected.any()
