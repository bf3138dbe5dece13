"""Prompts in ComfyUI: how a text is divided into tokens, and what its conditioning is."""
from __future__ import annotations

from typing import Any

from comfy.sd1_clip import escape_important, token_weights, unescape_important

from ...processors.conditions.lanes import Conditioning
from ...processors.errors import ConcordError
from ...processors.words import Prompt, read

TOWERS = ("l", "g")  # CLIP's, which divide texts alike


def read_prompt(clip: Any, text: str) -> Prompt:
    """The tokens of a prompt, 77 a chunk, with what they say; weights such as (red:1.2) are the host's."""
    tokens = checked(clip).tokenize(text)
    chunks = next((tokens[name] for name in TOWERS if name in tokens), None)
    if chunks is None:
        raise ConcordError(f"the text encoder reads {', '.join(tokens)}; Concord knows the words of CLIP: "
                           "use the CLIP of a Stable Diffusion 1.x or XL checkpoint")
    entry = lambda pair: clip.tokenizer.untokenize([pair[:2]])[0][1] if isinstance(pair[0], int) else ""
    plain = "".join(unescape_important(piece) for piece, _ in token_weights(escape_important(text), 1.0))
    return read(((pair[0], entry(pair), pair[1]) for chunk in chunks for pair in chunk), plain)


def encode_prompt(clip: Any, text: str) -> Conditioning:
    """What CLIP Text Encode gives."""
    return checked(clip).encode_from_tokens_scheduled(clip.tokenize(text))


def checked(clip: Any) -> Any:
    if not hasattr(clip, "tokenize") or not hasattr(clip, "encode_from_tokens_scheduled"):
        raise ConcordError(f"a CLIP was expected, got a {type(clip).__name__}; connect the CLIP of the checkpoint")
    return clip
