"""Train the practice model from nothing: python -m concord.practice.train all --out DIR

Stages, in order: judge, autoencoder, unet, controlnet, vision, adapter. Each goes on from its last checkpoint with --resume, and each writes its
fp16 weights to DIR/weights. --quick runs everything in about two minutes to show that it runs; its pictures are noise.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from . import model
from .data import Shards, encode_shards
from .files import save_half
from .judge import Classifier, JudgeLoss
from .loop import Budget, fit
from .train_adapter import AdapterLoss, new_adapter
from .train_autoencoder import AutoencoderLoss
from .train_controlnet import ControlNetLoss, from_unet
from .train_unet import UnetLoss, new_pair, plain_attention, warm_pair
from .train_vision import NamerLoss, new_namer

STAGES = ("judge", "autoencoder", "unet", "controlnet", "vision", "adapter")
BUDGETS = {
    "judge": Budget(samples=100_000, batch=64, rate=1e-3, warmup=50, average=0.99),
    "autoencoder": Budget(samples=120_000, batch=16, rate=1.5e-3, warmup=50, average=0.99),
    "unet": Budget(samples=400_000, batch=32, rate=1.5e-3),
    "controlnet": Budget(samples=50_000, batch=32, rate=1e-3, average=0.99),
    "vision": Budget(samples=120_000, batch=64, rate=2e-3, average=0.99),
    "adapter": Budget(samples=60_000, batch=32, rate=8e-3, average=0.99),
}
PICTURES, QUICK_PICTURES, CUTS, QUICK_CUTS = 60_000, 48, 12_000, 200


@dataclass(frozen=True)
class Run:
    """What all stages share. out: the folder for checkpoints, stored latents and weights; init: weights to start from."""

    out: Path
    device: torch.device
    budgets: dict[str, Budget]
    pictures: int = PICTURES
    cuts: int = CUTS
    resume: bool = False
    init: Path | None = None

    @property
    def weights(self) -> Path:
        return self.out / "weights"

    def fit(self, stage: str, module: nn.Module, loss: Callable[[int, int], Tensor], parts: dict[str, str]) -> None:
        """Train a stage and keep its averaged weights; parts: the prefix of each file's keys in `module`."""

        def save(state: dict[str, Tensor]) -> None:
            for name, prefix in parts.items():
                save_half({key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}, self.weights / f"{name}.safetensors")

        save(fit(stage, module, loss, self.budgets[stage], self.out, self.resume, save, _say))

    def pair(self) -> nn.ModuleDict:
        """The trained UNet and text tower."""
        return warm_pair(self.weights / "unet.safetensors", self.weights / "text_encoder.safetensors").to(self.device, memory_format=torch.channels_last)

    def shards(self) -> Shards:
        """The stored latents, encoded now if they are not there yet."""
        autoencoder = model.load_autoencoder(self.weights).to(self.device, memory_format=torch.channels_last)
        encode_shards(autoencoder, self.out / "latents", self.pictures, self.device, _say)
        return Shards(self.out / "latents", self.device)


def train_judge(run: Run) -> None:
    torch.manual_seed(0)
    classifier = Classifier().to(run.device)
    run.fit("judge", classifier, JudgeLoss(classifier, run.cuts, run.device), {"judge": ""})


def train_autoencoder(run: Run) -> None:
    torch.manual_seed(0)
    autoencoder, anchor = model.new_autoencoder(), None
    if run.init:
        model.fit_state(autoencoder, model.load_autoencoder(run.init).state_dict())
        anchor = model.load_autoencoder(run.init).to(run.device)
    autoencoder = autoencoder.to(run.device)
    run.fit("autoencoder", autoencoder, AutoencoderLoss(autoencoder, anchor, run.device), {"autoencoder": ""})


def train_unet(run: Run) -> None:
    pair = warm_pair(run.init / "unet.safetensors", run.init / "text_encoder.safetensors") if run.init else new_pair()
    pair = pair.to(run.device, memory_format=torch.channels_last)
    run.fit("unet", pair, UnetLoss(pair, run.shards(), run.device), {"unet": "unet.", "text_encoder": "text."})


def train_controlnet(run: Run) -> None:
    pair = run.pair()
    control = from_unet(pair["unet"])
    if run.init and (run.init / "controlnet.safetensors").exists():
        model.fit_state(control, model.load_controlnet(run.init).state_dict())
    control = plain_attention(control).to(run.device, memory_format=torch.channels_last)
    run.fit("controlnet", control, ControlNetLoss(control, pair, run.shards(), run.device), {"controlnet": ""})


def train_vision(run: Run) -> None:
    namer = new_namer()
    if run.init and (run.init / "vision.safetensors").exists():
        model.fit_state(namer["vision"], model.load_vision(run.init).state_dict())
    namer = namer.to(run.device)
    run.fit("vision", namer, NamerLoss(namer, run.device), {"vision": "vision."})


def train_adapter(run: Run) -> None:
    pair = run.pair()
    adapter, vision = new_adapter(pair["unet"]).to(run.device), model.load_vision(run.weights).to(run.device)
    run.fit("adapter", adapter, AdapterLoss(adapter, vision, pair, run.shards(), run.device), {"image_adapter": ""})


TRAIN = {
    "judge": train_judge,
    "autoencoder": train_autoencoder,
    "unet": train_unet,
    "controlnet": train_controlnet,
    "vision": train_vision,
    "adapter": train_adapter,
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m concord.practice.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=(*STAGES, "all"))
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints, stored latents and weights")
    parser.add_argument("--init", type=Path, help="folder of weights to start from instead of nothing")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoints in --out")
    parser.add_argument("--quick", action="store_true", help="a few steps of each stage")
    parser.add_argument("--minutes", type=float, help="at most this long a stage")
    parser.add_argument("--samples", type=int, help="at most this many samples a stage")
    parser.add_argument("--pictures", type=int, default=PICTURES, help="pictures to encode and store for the UNet and adapters")
    parser.add_argument("--threads", type=int, help="CPU threads; beside other busy processes one is faster than two")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    chosen = parser.parse_args(arguments)
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    budgets = {stage: _budget(budget, chosen) for stage, budget in BUDGETS.items()}
    run = Run(chosen.out, torch.device(chosen.device), budgets, chosen.pictures, resume=chosen.resume, init=chosen.init)
    if chosen.quick:
        run = replace(run, pictures=min(chosen.pictures, QUICK_PICTURES), cuts=QUICK_CUTS)
    for stage in STAGES if chosen.stage == "all" else (chosen.stage,):
        TRAIN[stage](run)


def _budget(budget: Budget, chosen: argparse.Namespace) -> Budget:
    if chosen.quick:
        budget = replace(budget, samples=64, batch=8, warmup=2)
    samples = min(budget.samples, chosen.samples or budget.samples)
    return replace(budget, samples=samples, minutes=min(budget.minutes, chosen.minutes or budget.minutes))


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  progress is what a command line shows


if __name__ == "__main__":
    main()
