"""Windows over models that are given a picture beside their latent: each sees its part of picture and mask, as windows cut by hand do."""
import hostkit as kit
import torch
from concat_models import SMALL, model
from concord.hosts.comfy import host
from concord.processors.attention.style_aligned import reference_lane, style_aligned
from concord.processors.latents.guidance.attend_and_excite import attend_and_excite
from concord.processors.prediction.multidiffusion import multidiffusion
from concord.processors.views import Frame
from splits import joint_and_split
from technique_rows import regions_of_two
from techniques import assert_differs, assert_same, run
from windows import HEIGHT, SIZE, WIDTH, denoise

WRAPPED = (0, 4, 8, 12)  # where windows begin that go on over the edge
WINDOWS = multidiffusion((SIZE, SIZE), (4, 4), wrap=(False, True))
FLAT = multidiffusion((SIZE, SIZE), (4, 4))


def noise(seed: int, *shape: int):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def canvas(rows: int = 2):
    """Start noise, and what lies beside it: a picture and a mask for each image of the batch, all in latent cells."""
    return noise(11, rows, 4, HEIGHT, WIDTH), noise(12, rows, 4, HEIGHT, WIDTH), (noise(13, rows, 1, HEIGHT, WIDTH) > 0).float()


def prompts(picture, mask, **keys):
    beside = {"concat_latent_image": picture, "concat_mask": mask}
    return kit.conditioning(1, **beside, **keys), kit.conditioning(2, **beside)


def by_hand(kind: str, starts, x, picture, mask):
    """Each window cut and run by the host alone, averaged."""
    total, count = torch.zeros_like(x), torch.zeros(1, 1, 1, WIDTH)
    for start in starts:
        at = [cell % WIDTH for cell in range(start, start + SIZE)]
        total[..., at] += denoise(model(kind), *prompts(picture[..., at], mask[..., at]), x[..., at].contiguous())
        count[..., at] += 1
    return total / count


def check_cut_by_hand():
    x, picture, mask = canvas()
    for kind in SMALL:
        for edits, starts in ((FLAT, WRAPPED[:3]), (WINDOWS, WRAPPED)):
            here = host.attach(model(kind), *edits)
            made = denoise(here, *prompts(picture, mask), x)
            assert_same(made, by_hand(kind, starts, x, picture, mask), 1e-5)
            assert_differs(made, denoise(here, *prompts(picture.flip(-1), mask), x))


def check_one_window_is_none():
    x, picture, mask = canvas()
    for kind in SMALL:
        assert_same(denoise(host.attach(model(kind), *multidiffusion((64, 64), (16, 16))), *prompts(picture, mask), x),
                    denoise(model(kind), *prompts(picture, mask), x), 1e-5)


def check_an_area_inside_one_window():
    """A prompt in an area, which the host cuts picture and mask to as well."""
    x, picture, mask = canvas()
    for kind in SMALL:
        def told(at, area, kind=kind):
            positive, negative = prompts(picture[..., at], mask[..., at])
            return positive + (prompts(picture[..., at], mask[..., at], area=area, strength=0.8)[0] if area else []), negative

        total, count = torch.zeros_like(x), torch.zeros(1, 1, 1, WIDTH)
        for start in WRAPPED[:3]:
            at = slice(start, start + SIZE)
            total[..., at] += denoise(model(kind), *told(at, None if start else (HEIGHT, 4, 0, 0)), x[..., at].contiguous())
            count[..., at] += 1
        assert_same(denoise(host.attach(model(kind), *FLAT), *told(slice(None), (HEIGHT, 4, 0, 0)), x), total / count, 1e-5)


def check_the_mask_of_the_latent_alone():
    """Without a picture in the prompts the host takes mask and picture of an inpainting model from the latent: windows cut that, too."""
    x, picture, mask = canvas(1)
    here = host.attach(model("inpainting"), *WINDOWS)
    masked = lambda mask: run((here, kit.conditioning(1), kit.conditioning(2)), {"samples": picture, "noise_mask": mask})
    told = kit.conditioning(1, concat_latent_image=picture, concat_mask=mask), kit.conditioning(2, concat_latent_image=picture, concat_mask=mask)
    assert_same(masked(mask), run((here, *told), {"samples": picture, "noise_mask": mask}), 1e-5)


def check_a_reference_of_its_own_beside_a_panorama():
    """It stands in the first window of its canvas, with its picture."""
    x, picture, mask = canvas()
    style = style_aligned(group_norm=True, shift=0.3)
    for kind in SMALL:
        total, count = torch.zeros_like(x[1:]), torch.zeros(1, 1, 1, WIDTH)
        for start in WRAPPED:
            at = [cell % WIDTH for cell in range(start, start + SIZE)]
            beside = [torch.cat([t[:1, ..., :SIZE], t[1:, ..., at]]) for t in (x, picture, mask)]
            total[..., at] += denoise(host.attach(model(kind), *style, lanes=reference_lane()), *prompts(*beside[1:]), beside[0])[1:]
            count[..., at] += 1
        panorama = host.attach(model(kind), *style, *WINDOWS, Frame(), lanes=reference_lane())
        assert_same(denoise(panorama, *prompts(picture, mask), x)[1:], total / count, 1e-4)


def check_split_calls_and_gradients():
    """With memory for one window a call, and with looks through the network between the steps."""
    x, picture, mask = canvas()
    look = attend_and_excite(list(zip(regions_of_two(), ((2, 3), (5,)), strict=True)), iterations=1, thresholds=((0.0, 0.9),))
    for kind in SMALL:
        assert_same(*joint_and_split((host.attach(model(kind), *WINDOWS, *look), *prompts(picture, mask)), x), 1e-4)
