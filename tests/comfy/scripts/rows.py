"""Whatever rows the host puts into one call, the picture is the same: splits, sizes, groups, samplers, orders of branches."""
import comfy.samplers
import hostkit as kit
import torch
from concord.hosts.comfy import host
from concord.processors.attention.style_aligned import reference_lane, style_aligned
from concord.processors.edit import AttentionEdit, Order
from splits import joint_and_split
from techniques import CONTROL, QUICK, STYLE, WINDOWS, assert_differs, assert_same, everything, latent, model, ours, plain, run


def check_joint_or_split_branches(thorough=False):
    for technique in QUICK if thorough else ():
        assert_same(*joint_and_split(technique.typical(plain())))
    assert_same(*joint_and_split(ours(plain()), steps=2))


def check_odd_sizes():
    for height, width in ((5, 9), (11, 7), (8, 8)):
        for technique in (STYLE, CONTROL, WINDOWS):
            canvas = latent(2, height, width)
            assert run(technique.typical(plain()), canvas).shape == canvas.shape


def check_four_images_in_two_groups():
    """Images 2 and 3 as a batch of their own are what they are beside images 0 and 1."""
    roles = reference_lane(0) | type(reference_lane())(((2, "reference", 1), (3, "plain", 1)))
    four = (host.attach(model(), *style_aligned(), lanes=roles), *plain()[1:])
    canvas = torch.randn(4, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    whole = kit.sample(*four, {"samples": canvas, "batch_index": [0, 1, 2, 3]}, steps=2)
    pair = kit.sample(*STYLE.typical(plain()), {"samples": canvas[2:], "batch_index": [2, 3]}, steps=2)
    assert_same(whole[2:], pair)


def check_guidance_of_one():
    """At cfg 1 the host leaves the negative out."""
    samples = run(ours(plain()), cfg=1.0)
    other = (*ours(plain())[:2], kit.conditioning(9))
    assert torch.equal(run(other, cfg=1.0), samples)


def check_samplers():
    for sampler in ("euler_ancestral", "heun", "dpmpp_2m_sde"):
        first = run(ours(plain()), sampler=sampler, steps=2)
        assert torch.equal(run(ours(plain()), sampler=sampler, steps=2), first), sampler


class OnBranch(AttentionEdit):
    """Silences cross-attention on the branches it is given."""

    technique, order, kind = "OnBranch", Order.OUTPUT, "cross"

    def finish(self, out, plan, site, step, attend):
        silent = torch.tensor([self.takes(row) for row in step.rows])
        return torch.where(silent[:, None, None, None], torch.zeros_like(out), out)


def check_branches_by_name_not_by_place():
    """Other guiders stack branches in other orders: an edit of the positive acts on the positive."""
    from comfy_extras.nodes_custom_sampler import Guider_DualCFG

    noise, sigmas = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1)), torch.tensor([5.0, 0.0])

    def dual(positive: float, middle: float, edit):
        guider = Guider_DualCFG(host.attach(model(), *edit))
        guider.set_conds(kit.conditioning(1), kit.conditioning(3), kit.conditioning(2))
        guider.set_cfg(positive, middle)
        return guider.sample(noise, torch.zeros_like(noise), comfy.samplers.sampler_object("euler"), sigmas)

    for weights in ((1.0, 0.0), (0.0, 1.0), (3.0, 2.0)):         # cfg of positive against middle, of middle against negative
        assert_differs(dual(*weights, [OnBranch(branches=frozenset({"positive", "middle", "negative"}))]), dual(*weights, []))
    assert_same(dual(0.0, 1.0, [OnBranch(branches=frozenset({"positive"}))]), dual(0.0, 1.0, []), 1e-5)
    assert_same(dual(0.0, 0.0, [OnBranch(branches=frozenset({"positive", "middle"}))]), dual(0.0, 0.0, []), 1e-5)


def check_noise_mask_and_partial_denoising():
    mask = torch.zeros(1, 1, 64, 96)
    mask[..., 32:] = 1
    canvas = {"samples": torch.randn(3, 4, 8, 12, generator=torch.Generator().manual_seed(3)), "noise_mask": mask}
    samples = run(everything(plain()), canvas, steps=2, denoise=0.5)
    assert_same(samples[0, ..., :4], canvas["samples"][0, ..., :4], 1e-5)  # image 1 follows a bank, image 2 is blended with it
    assert_differs(samples[..., 4:], canvas["samples"][..., 4:])


def check_sdxl():
    setup = kit.unet(sdxl=True), kit.conditioning(1), kit.conditioning(2)
    patched = STYLE.typical(WINDOWS.typical(setup))
    assert_differs(run(patched), run(setup))
    assert_same(*joint_and_split(patched))
