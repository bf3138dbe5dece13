"""Training runs from nothing to every weight file, resumes, and its model can be measured."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytest.importorskip("diffusers")

from concord.practice import measure, muon, noise, train  # noqa: E402


@pytest.mark.slow
def test_quick_training_makes_every_file_and_resumes(tmp_path: Path):
    train.main(["all", "--quick", "--out", str(tmp_path), "--device", "cpu"])
    made = {path.stem: path.stat().st_mtime_ns for path in (tmp_path / "weights").glob("*.safetensors")}
    assert set(made) == {"judge", "autoencoder", "unet", "text_encoder", "controlnet", "vision", "image_adapter"}
    measure.main(["--prompts", "10", "--steps", "2", "--weights", str(tmp_path / "weights"), "--only", "text"])

    before = torch.load(tmp_path / "judge.pt")["step"]
    train.main(["judge", "--quick", "--resume", "--out", str(tmp_path), "--device", "cpu"])
    assert torch.load(tmp_path / "judge.pt")["step"] == before, "a finished stage stays finished"


def test_muon_steps_are_orthogonal():
    update = muon.orthogonal(torch.randn(3, 16, 48, generator=torch.Generator().manual_seed(0)))
    sizes = torch.linalg.svdvals(update)
    assert 0.6 < sizes.min() and sizes.max() < 1.3


def test_noise_weights_average_to_the_weighted_loss():
    noiser = noise.Noiser(torch.device("cpu"))
    assert torch.allclose((noiser.chance * noiser.weight).sum(), noise.weights(noiser.alphas).mean(), rtol=1e-4)
