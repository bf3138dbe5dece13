"""Null-text: the authors' loop to the last digits; guidance then leads back to the picture; what does not belong together is refused."""
from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from concord.hosts.diffusers import host
from concord.hosts.diffusers.graph.context import Context, using
from concord.hosts.diffusers.model import LatentFormat, Model
from concord.hosts.diffusers.sample import sample
from concord.processors.conditions.null_text import optimise
from concord.processors.conditions.own_negative import NegativeTexts, own_negative
from concord.processors.errors import ConcordError
from concord.processors.latents.bank import Bank
from concord.processors.latents.inversion import round_trip_error
from concord.processors.probe import WordMaps
from concord.processors.rows import Lanes
from diffusers import DDIMScheduler

from .sampling_models import noise, text, unet

PICTURE = {"samples": noise(1, 4, 6, 8, seed=3) * 0.8}
PAIR = Lanes(((0, "source", 0), (1, "target", 0)))


def model(sdxl: bool = False) -> Model:
    return Model(unet(sdxl=sdxl), "sdxl" if sdxl else "sd1", latent=LatentFormat(scale=1.0))


def inverted(m: Model, steps: int = 4, latent=None) -> Bank:
    return host.invert(m, latent or PICTURE, text(1), text(2), steps, "normal")


def drawn(m: Model, bank: Bank, *edits, steps: int = 4, cfg: float = 4.0, positive=None, negative=None, lanes: Lanes | None = None):
    """From the bank's noise, with an ordinary sampler."""
    latent, m = {"samples": bank.latents[0].repeat(len(lanes.roles) if lanes else 1, 1, 1, 1)}, host.attach(m, *edits, lanes=lanes)
    return sample(m, 0, steps, cfg, "euler", "normal", positive or text(1), negative or text(2), latent, add_noise=False)["samples"]


def test_the_authors_loop():
    """Algorithm 1 as its authors and diffusers' community pipeline have it: DDIM, Adam at 1e-2 (1 - i / 100), stop below 1e-5 + 2e-5 i, warm start;
    float64, five steps, of which some stop early."""
    network, scheduler = unet().double(), DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", set_alpha_to_one=True)
    alphas = scheduler.alphas_cumprod.double()
    timesteps = [901, 701, 501, 301, 101]
    positive, empty = noise(1, 7, 64, seed=1).double(), noise(1, 7, 64, seed=2).double()
    trajectory = [noise(1, 4, 6, 8, seed=10).double()]  # noise first, in the network's own units

    def previous(eps, t, x):
        now, then = alphas[t], alphas[t - 200] if t >= 200 else torch.ones((), dtype=torch.float64)
        return then.sqrt() * (x - (1 - now).sqrt() * eps) / now.sqrt() + (1 - then).sqrt() * eps

    with torch.no_grad():
        for t in timesteps:  # a way down that a guidance of 1.005 hardly leaves, and then one that it does
            trajectory.append(previous(network(trajectory[-1], t, positive).sample, t, trajectory[-1]))
    trajectory[4] = trajectory[4] + 0.2 * noise(1, 4, 6, 8, seed=11).double()
    cfg, x, embedding, expected, tried = 1.005, trajectory[0], empty, [], []
    for i, t in enumerate(timesteps):
        embedding = embedding.clone().detach().requires_grad_()
        adam = torch.optim.Adam([embedding], lr=1e-2 * (1.0 - i / 100.0))
        with torch.no_grad():
            said = network(x, t, positive).sample
        tries = 0
        while tries < 4:
            tries += 1
            denied = network(x, t, embedding).sample
            loss = torch.nn.functional.mse_loss(previous(denied + cfg * (said - denied), t, x), trajectory[i + 1])
            adam.zero_grad()
            loss.backward()
            adam.step()
            if loss.item() < 1e-5 + i * 2e-5:
                break
        tried.append(tries)
        expected.append(embedding.detach())
        with torch.no_grad():
            denied = network(x, t, embedding).sample
            x = previous(denied + cfg * (said - denied), t, x)
    assert 1 in tried and 4 in tried
    sigma_of = {t: float(((1 - alphas[t]) / alphas[t]) ** 0.5) for t in timesteps}
    label, sigmas = {sigma: t for t, sigma in sigma_of.items()}, (*sigma_of.values(), 0.0)

    def negative(x, sigma, said):
        level = float(sigma[0])
        return x - level * network(x / (1 + level**2) ** 0.5, label[level], said).sample

    ours = torch.stack([x * (1 + s**2) ** 0.5 for x, s in zip(trajectory, sigmas, strict=True)])
    made = optimise(lambda x, sigma: negative(x, sigma, positive), negative, ours, sigmas, empty, cfg, 4)
    assert (made - torch.stack(expected)).abs().max() < 1e-7


def test_guidance_leads_back():
    """And the run with the edit does what the optimisation foresaw."""
    m = model()
    bank = inverted(m)
    texts = host.null_text(m, bank, text(1), text(2), 4.0, 10)
    miss = lambda made: round_trip_error(made, bank.latents[-1])
    without, with_it = miss(drawn(m, bank)), miss(drawn(m, bank, own_negative(texts)))
    assert with_it < 0.85 * without
    assert texts.texts.shape == (4, 1, 77, 64)
    with pytest.raises(ConcordError, match="made for cfg 4, this run has cfg 1"):  # where no negative is asked, so that nobody would hear it
        drawn(m, bank, own_negative(texts), cfg=1.0)


def test_pictures_of_a_batch_do_not_know_each_other():
    m = model()
    two = {"samples": noise(2, 4, 6, 8, seed=5)}
    bank = inverted(m, 3, two)
    together = host.null_text(m, bank, text(1), text(2), 3.0, 3)
    alone = [host.null_text(m, replace(bank, latents=bank.latents[:, i : i + 1]), text(1), text(2), 3.0, 3) for i in range(2)]
    moved = (together.texts - text(2)[0][0]).abs().mean()
    assert (together.texts - torch.cat([one.texts for one in alone], 1)).abs().mean() < 1e-3 * moved  # Adam makes much of the digits of tiny slopes


def test_who_hears_it():
    m = model()
    bank = inverted(m)
    texts = NegativeTexts(noise(4, 1, 77, 64, seed=9), bank.sigmas[:-1])
    plain, source, both = (drawn(m, bank, *edits, lanes=PAIR) for edits in ((), (own_negative(texts),), (own_negative(texts, also_targets=True),)))
    assert torch.equal(source[1], plain[1]) and not torch.allclose(source[0], plain[0], atol=1e-2)
    assert torch.equal(both[0], source[0]) and torch.equal(both[0], both[1])
    split, joint = (drawn(one, bank, own_negative(texts), positive=text(1, 154), lanes=PAIR) for one in (replace(m, rows_per_call=1), m))
    assert torch.allclose(split, joint, atol=1e-3)


@pytest.mark.parametrize("sdxl", [False, True])
def test_the_sources_own_prompt_as_negative_cancels_guidance(sdxl):
    m = model(sdxl)
    bank = inverted(m)
    (said, meta), = text(1)
    edit = own_negative(NegativeTexts(said[None], pooled=meta["pooled_output"]))
    assert torch.allclose(drawn(m, bank, edit), drawn(m, bank, cfg=1.0), atol=1e-3)
    assert not torch.allclose(drawn(m, bank), drawn(m, bank, cfg=1.0), atol=1e-1)


def test_what_does_not_belong_together_is_refused():
    m = model()
    bank = inverted(m)
    texts = host.null_text(m, bank, text(1), text(2), 4.0, 1)
    for changed, match in ((dict(cfg=5.0), "cfg 4, this run has cfg 5"), (dict(steps=5), "steps and the scheduler"),
                           (dict(negative=text(2, 154)), "154 tokens"), (dict(m=Model(unet(1), latent=LatentFormat(scale=1.0))), "other weights")):
        with pytest.raises(ConcordError, match=match):
            drawn(changed.pop("m", m), bank, own_negative(texts), **changed)
    make = lambda m=m, bank=bank, positive=text(1), negative=text(2): host.null_text(m, bank, positive, negative, 4.0, 1)
    with pytest.raises(ConcordError, match="one positive prompt.*got 2"):
        make(positive=text(1) + text(3))
    with pytest.raises(ConcordError, match="area"):
        make(negative=text(2, area=(4, 4, 0, 0)))
    with pytest.raises(ConcordError, match="on the model already"):
        make(m=host.attach(m, own_negative(texts)))
    with pytest.raises(ConcordError, match="on the model already"):
        make(m=host.attach(m, WordMaps(tokens=((1,),))))
    with pytest.raises(ConcordError, match="a bank"):
        make(bank=None)
    with pytest.raises(ConcordError, match="both set the negative prompt"):
        drawn(m, bank, own_negative(texts), own_negative(NegativeTexts(texts.texts[:1])))


def test_interruption_leaves_nothing():
    class Stop(Exception):
        pass

    def stop(value, total, label):
        assert total == 12
        if value == 5:
            raise Stop

    m = model()
    bank = inverted(m)
    before = {name: weight.clone() for name, weight in m.network.state_dict().items()}
    with using(Context(progress=stop)), pytest.raises(Stop):
        host.null_text(m, bank, text(1), text(2), 4.0, 3)
    assert all(torch.equal(weight, before[name]) and weight.grad is None for name, weight in m.network.named_parameters())
