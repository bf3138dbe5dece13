"""The tiny random models that the other tests use work in every ComfyUI that is there, and take weights that diffusers made."""
from __future__ import annotations

import pytest
import torch

SCRIPTS = ("builders.py",)


def test_builders(check):
    check()


def assert_close(ours, theirs) -> None:
    assert (ours - theirs).abs().max() <= 1e-4 * theirs.abs().max()


@pytest.fixture(scope="module")
def small_unet():
    """SD 1.x numbering, 64 wide everywhere as the practice model, random weights."""
    from diffusers import UNet2DConditionModel
    torch.manual_seed(0)
    return UNet2DConditionModel(block_out_channels=(64,) * 4, cross_attention_dim=64, attention_head_dim=4).eval()


WIDTH_64 = dict(model_channels=64, channel_mult=[1, 1, 1, 1])


def inputs(rows: int = 2) -> dict:
    generator = torch.Generator().manual_seed(1)
    return dict(latent=torch.randn(rows, 4, 8, 16, generator=generator), context=torch.randn(rows, 77, 64, generator=generator), timestep=500)


def test_unet_from_diffusers(in_host, small_unet):
    given = inputs()
    with torch.no_grad():
        expected = small_unet(given["latent"], 500, given["context"]).sample
    assert_close(in_host("builders.py", "unet_output", weights=small_unet.state_dict(), config=WIDTH_64, sdxl=False, **given), expected)


def test_control_net_from_diffusers(in_host, small_unet):
    from diffusers import ControlNetModel
    torch.manual_seed(1)
    net = ControlNetModel.from_unet(small_unet).eval()
    for convolution in (*net.controlnet_down_blocks, net.controlnet_mid_block, net.controlnet_cond_embedding.conv_out):
        torch.nn.init.normal_(convolution.weight, std=0.1)
    given, hint = inputs(), torch.rand(2, 3, 64, 128, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        down, mid = net(given["latent"], 500, given["context"], hint, return_dict=False)
    received = in_host("builders.py", "control_output", weights=net.state_dict(), config=WIDTH_64, hint=hint, **given)
    assert len(received) == 13
    for ours, theirs in zip(received, [*down, mid], strict=True):
        assert_close(ours, theirs)
