"""Good things made bad, by seed: files, tensors, JSON and texts, as downloads break off, hands slip, and as somebody might who means harm."""
from __future__ import annotations

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

import torch
from torch import Tensor

ODD = (None, True, -1, 0, 3, 1e308, float("nan"), float("inf"), "", "x", "../../../etc/passwd", "/etc/passwd", "\x00", "a" * 2000, [], {}, [["1", 0]], ["1", 0],
       {"a": 1}, "{red|green}", "%date%", "__import__('os').system('true')", "1:2:3", "😀", 2**70, -0.0)  # fmt: skip


def broken_bytes(data: bytes, random: Random) -> bytes:
    """Cut off, overwritten, longer, in another order, or nothing at all."""
    kind, made, at = random.randrange(6), bytearray(data), random.randrange(max(1, min(len(data), 4000)))
    if kind == 0:
        return bytes(made[: random.randrange(len(made))])
    if kind == 1:
        for _ in range(random.randint(1, 40)):
            made[random.randrange(min(len(made), 4000))] = random.randrange(256)
    elif kind == 2:
        made[at:at] = random.randbytes(random.randint(1, 64))
    elif kind == 3:
        del made[at : at + random.randint(1, 64)]
    elif kind == 4:
        made[:8] = random.randbytes(8)
    else:
        made = bytearray(random.randbytes(random.randint(0, 300)))
    return bytes(made)


def broken_tensors(tensors: dict[str, Tensor], random: Random) -> dict[str, Any]:
    """One to three of them missing, renamed, of another shape or kind, or with company."""
    made: dict[str, Any] = dict(tensors)
    for _ in range(random.randint(1, 3)):
        name = random.choice(list(made))
        tensor = made[name]
        kind = random.randrange(9)
        if kind == 0:
            del made[name]
        elif kind == 1:
            made[name + random.choice(("x", ".weight", "_", ".0"))] = made.pop(name)
        elif not isinstance(tensor, Tensor):
            continue
        elif kind == 2:
            made[name] = tensor[:-1] if tensor.ndim and len(tensor) else tensor.reshape(1, -1)
        elif kind == 3:
            made[name] = tensor.T if tensor.ndim == 2 else tensor[None]
        elif kind == 4:
            made[name] = torch.zeros(random.choice(((), (0,), (1,), (3, 0), (1, 2, 3, 4), (5, 5))))
        elif kind == 5:
            made[name] = tensor.to(random.choice((torch.int64, torch.bool, torch.complex64, torch.float16, torch.uint8)))
        elif kind == 6:
            made[name] = random.choice((None, "weights", 3, [tensor], {"a": tensor}))
        elif kind == 7:
            made[random.choice(("lora.down", "state_dict", "model.diffusion_model.input_blocks.0.0.weight", "")) + name] = tensor
        else:
            made = {random.choice(("a.", "module.", "image_proj.", "")) + key: value for key, value in made.items()}
        if not made:
            return {}
    return made


def broken_json(value: Any, random: Random) -> Any:
    """One to four places of it with something else, without, or twice."""
    made = copy.deepcopy(value)
    for _ in range(random.randint(1, 4)):
        places = list(inside(made))
        if not places:
            return made
        holder, key = random.choice(places)
        kind = random.randrange(5)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif kind == 2 and isinstance(holder, dict):
            holder[str(random.choice(ODD))[:50]] = holder.pop(key)
        elif kind == 3:
            other, its = random.choice(places)
            holder[key] = copy.deepcopy(other[its])
        else:
            holder[key] = copy.deepcopy(random.choice(ODD))
    return made


def inside(value: Any) -> Iterator[tuple[Any, Any]]:
    """(holder, key) of everything in it."""
    for key in (list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()):
        yield value, key
        yield from inside(value[key])


def broken_text(text: str, random: Random) -> str:
    made = list(text)
    for _ in range(random.randint(1, 5)):
        at = random.randrange(len(made) + 1)
        kind = random.randrange(4)
        if kind == 0:
            made[at:at] = random.choice((":", ",", "-", "(", ")", "\\", "\n", " ", ".", "1e999", "nan", "-1", "0x1", "é", "\x00", "[", "{", '"', "::", ",,"))
        elif kind == 1 and made:
            del made[at : at + random.randint(1, 4)]
        elif kind == 2 and made:
            made[at:at] = made[: random.randrange(len(made)) + 1]
        elif made:
            random.shuffle(made)
    return "".join(made)[:4000]
