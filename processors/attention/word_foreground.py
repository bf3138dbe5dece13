"""Where words stand in a picture while it is drawn: the foreground that MasaCtrl finds for itself (Cao et al., arXiv 2304.08465, section 4.2)."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..conditions.lanes import Conditioning
from ..errors import ConcordError
from ..pieces import pieces
from ..probe import WordMaps
from ..rows import WORDS, Site, View
from ..run import Step
from ..words import Prompt, all_positions, mark

COARSE = {16: frozenset({4, 5, 7, 8, 9}), 70: frozenset(range(4, 64))}  # cross-attentions at a quarter of the latent's size, where words bind to things


def foreground(maps: WordMaps, threshold: float, view: View | None, site: Site, step: Step, like: Tensor) -> Tensor | None:
    """[samples, 1, N, 1]: 1 where the words of each sample are looked at in this very step at the layers before `site`; None: nothing was read yet.

    What a place gives to them counts from `threshold` on, after it was scaled to 0..1 over the picture, or the window `view` of it.
    """
    found = next(iter(maps.so_far(step, site, view).values()), None)
    if found is None:
        return None
    heat = found.sum(1)
    low, high = heat.amin((-2, -1), keepdim=True), heat.amax((-2, -1), keepdim=True)
    heat = (heat - low) / (high - low).clamp(min=torch.finfo(heat.dtype).tiny)  # looked at everywhere alike: no foreground
    return interpolate((heat >= threshold).to(like)[:, None], site.grid).flatten(2)[..., None]


def read_words(prompts: Sequence[Prompt], phrases: Sequence[str], count: int, positive: Conditioning,
               beside: int = 0) -> tuple[WordMaps, Conditioning]:
    """A live reading of "dog, red ball" in each lane's prompt (an empty text: the words of the first), and the conditioning, marked so that it is found.

    count: the model's cross-attentions; beside: pictures of a group after these, which have no words.
    """
    prompts = [prompt.longer(max(p.chunks for p in prompts)) for prompt in prompts]
    tokens = []
    for prompt, phrase in zip(prompts, phrases, strict=True):
        words = pieces(phrase if phrase.strip() else phrases[0])
        if not words:
            raise ConcordError("there are no words to find; name what is foreground in the source, as its text calls it, such as dog")
        tokens.append(all_positions(prompt, words))
    told = [[text, {**keys, WORDS: mark(prompts)}] for text, keys in positive]
    return WordMaps(tokens=(*tokens, *[()] * beside), layers=COARSE.get(count), live=True, mark=mark(prompts)), told
