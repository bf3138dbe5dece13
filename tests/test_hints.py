"""What all hint makers keep: sizes, batches, even pictures, thin pictures."""
from __future__ import annotations

import pytest
import torch
from concord.processors.errors import ConcordError
from concord.processors.images.batches import hints, without_network

from .hint_makers import BLACK_WHERE_EVEN, MAKERS, scene


@pytest.mark.parametrize("shape", [(1, 64, 64), (3, 65, 97), (1, 8, 200), (2, 1, 40), (1, 40, 1), (1, 1, 1)], ids=str)
@pytest.mark.parametrize("name", MAKERS)
def test_sizes_stay_and_values_are_pictures(name, shape):
    image = scene(*shape)
    made = MAKERS[name](image)
    assert made.shape[0] == shape[0] and made.shape[1] in (1, 3) and made.shape[2:] == image.shape[2:] and made.dtype == image.dtype
    assert made.isfinite().all() and made.min() >= 0 and made.max() <= 1


@pytest.mark.parametrize("name", MAKERS)
def test_a_batch_is_each_picture_alone_and_twice_the_same(name):
    image = scene(3)
    together = MAKERS[name](image)
    assert torch.equal(together, MAKERS[name](image))
    alone = torch.cat([MAKERS[name](picture[None]) for picture in image])
    assert (together - alone).abs().max() <= 1e-5 and (together[0] - together[1]).abs().max() > 0.05


@pytest.mark.parametrize("level", [0.0, 0.37, 1.0])
@pytest.mark.parametrize("name", BLACK_WHERE_EVEN)
def test_an_even_picture_has_no_edges(name, level):
    assert not MAKERS[name](torch.full((1, 3, 65, 97), level)).any()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_nodes_pictures_of_any_channels_in_pieces(channels, monkeypatch):
    """A batch cut into pieces gives what it gives whole; transparency does not count."""
    image = torch.rand(5, 20, 30, channels, generator=torch.Generator().manual_seed(1))
    begun: list[tuple[int, int]] = []
    make = MAKERS["canny"]
    whole = hints(make, image, "cpu", lambda first, total: None)
    monkeypatch.setattr("concord.processors.images.batches.PIXELS", 1300)
    assert torch.equal(hints(make, image, "cpu", lambda *piece: begun.append(piece)), whole) and begun == [(0, 5), (2, 5), (4, 5)]
    assert whole.shape == (5, 20, 30, 3) and whole.dtype == torch.float32 and whole.is_contiguous()
    assert torch.equal(whole[..., 0], make(image[..., :3].movedim(-1, 1).expand(-1, 3, -1, -1))[:, 0])


@pytest.mark.parametrize("shape", [(20, 30, 3), (0, 20, 30, 3), (1, 20, 0, 3), (1, 20, 30, 2), (1, 3, 20, 30)], ids=str)
def test_what_is_no_picture_is_refused(shape):
    with pytest.raises(ConcordError, match="connect an IMAGE"):
        hints(MAKERS["canny"], torch.zeros(shape), "cpu", lambda first, total: None)


@pytest.mark.parametrize("name", MAKERS)
def test_pictures_and_hints_that_are_no_numbers_are_refused_by_their_place(name, monkeypatch):
    monkeypatch.setattr("concord.processors.images.batches.PIXELS", 1300)
    image = torch.rand(5, 20, 30, 3, generator=torch.Generator().manual_seed(1))
    image[3, 7, 7, 1] = float("nan")
    with pytest.raises(ConcordError, match="picture 3 of the batch .* holds NaN"):
        hints(MAKERS[name], image, "cpu", lambda first, total: None)
    with pytest.raises(ConcordError, match="hint of picture 2 of the batch .* NaN"):
        hints(lambda pictures: pictures / (pictures - image[2, 0, 0, 0]) * 0, image[:3], "cpu", lambda first, total: None)


def test_values_beyond_the_range_are_its_ends():
    image = torch.tensor([-3.0, float("-inf"), 0.5, 2.0, float("inf")]).view(1, 1, 5, 1)
    assert hints(lambda pictures: pictures, image, "cpu", lambda first, total: None)[0, 0, :, 0].tolist() == [0, 0, 0.5, 1, 1]


def test_apples_gpus_leave_counting_to_the_cpu():
    assert str(without_network("mps")) == "cpu" and str(without_network("cuda:1")) == "cuda:1" and str(without_network("cpu")) == "cpu"


def test_whoever_begins_a_piece_may_stop_it():
    def stop(first: int, total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        hints(MAKERS["canny"], torch.zeros(1, 8, 8, 3), "cpu", stop)
