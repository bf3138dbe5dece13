"""Prompts where diffusers is the host: how a text is divided into tokens, and what its conditioning is."""
from __future__ import annotations

from ...processors.conditions.lanes import Conditioning
from ...processors.errors import ConcordError
from ...processors.words import Prompt, read
from .loading.bpe import token_text
from .loading.clip import Clip
from .loading.prompt import weighted_pieces


def read_prompt(clip: Clip, text: str) -> Prompt:
    """The tokens of a prompt, 77 a chunk, with what they say; weights such as (red:1.2) are ComfyUI's."""
    chunks = next(iter(checked(clip).tokenize(text).values()))
    entry = lambda token: token_text(token) if isinstance(token, int) else ""
    return read(((token, entry(token), weight) for chunk in chunks for token, weight in chunk), "".join(piece for piece, _ in weighted_pieces(text)))


def encode_prompt(clip: Clip, text: str) -> Conditioning:
    """What CLIP Text Encode gives."""
    return checked(clip).encode_from_tokens_scheduled(clip.tokenize(text))


def checked(clip: Clip) -> Clip:
    if not isinstance(clip, Clip):
        raise ConcordError(f"a CLIP was expected, got a {type(clip).__name__}; connect the CLIP of the checkpoint")
    return clip
