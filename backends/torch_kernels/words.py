"""Packed words as int64 tensors: layout, shifts, rotations."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from hdc.words import WORD_BITS, word_count

BUDGET = 1 << 29
"""Most bytes of a kernel's temporaries, beside inputs and result (512 MiB)."""


def blocks(rows: int, row_bytes: int) -> list[slice]:
    """Cut rows into blocks whose temporaries fit ``BUDGET``: at least one row each, and one empty block for no rows.

    Lengths are multiples of 8 if possible, as matrix units prefer.
    """
    step = max(1, BUDGET // max(1, row_bytes))
    step -= step % 8 if step > 8 else 0
    return [slice(start, min(rows, start + step)) for start in range(0, max(1, rows), step)]


def _reread(x: Tensor, dtype: torch.dtype) -> Tensor:
    """View the memory of the last axis as another dtype; copy it if it has gaps."""
    if not x.is_contiguous() or x.stride(-1) != 1:  # an axis of length 0 or 1 is contiguous at any stride
        x = x.clone(memory_format=torch.contiguous_format)
    return x.view(dtype)


def unpack(x: Tensor, dim: int) -> Tensor:
    """Test each bit of each byte: ``(..., words)`` to ``(..., dim)`` bool."""
    place = torch.arange(8, dtype=torch.uint8, device=x.device)
    bits = (_reread(x, torch.uint8)[..., None] >> place).bitwise_and_(1).view(torch.bool)
    return bits.reshape(*x.shape[:-1], x.shape[-1] * WORD_BITS)[..., :dim].contiguous()


def pack(bits: Tensor) -> Tensor:
    """Pack bits by adding the values of each byte's bits."""
    dim = bits.shape[-1]
    padded = pad(bits.to(torch.uint8), (0, word_count(dim) * WORD_BITS - dim))
    place = torch.arange(8, dtype=torch.uint8, device=bits.device)
    as_bytes = (padded.reshape(*bits.shape[:-1], padded.shape[-1] // 8, 8) << place).sum(dim=-1, dtype=torch.uint8)
    return _reread(as_bytes, torch.int64)


def signs(x: Tensor) -> Tensor:
    """Unpack to int8, -1 for a set bit and 1 for a clear one, with padding: ``(..., words * 64)``."""
    return unpack(x, x.shape[-1] * WORD_BITS).view(torch.int8).mul_(-2).add_(1)


def popcount(x: Tensor) -> Tensor:
    """Count the set bits of each row by sums within the word, of pairs, nibbles and bytes: ``(...)`` int64."""
    x = x - ((x >> 1) & 0x5555555555555555)
    x = (x & 0x3333333333333333) + ((x >> 2) & 0x3333333333333333)
    x = (x + (x >> 4)) & 0x0F0F0F0F0F0F0F0F
    return ((x * 0x0101010101010101) >> 56).sum(dim=-1)


def or_reduce(x: Tensor) -> Tensor:
    """Or along axis -2, halving the rows each time."""
    while x.shape[-2] > 1:
        half = x.shape[-2] // 2
        joined = torch.bitwise_or(x[..., :half, :], x[..., half : 2 * half, :])
        x = torch.cat([joined, x[..., 2 * half :, :]], dim=-2)
    return x[..., 0, :].clone(memory_format=torch.contiguous_format)


def _shifted_down(x: Tensor, bits: int) -> Tensor:
    """Shift within a word towards bit 0, filling with zeros (int64 would fill with its sign)."""
    return x if bits == 0 else (x >> bits) & ((1 << (WORD_BITS - bits)) - 1)


def move_up(x: Tensor, shift: int) -> Tensor:
    """Move component j to ``j + shift`` in the same number of words; components beyond them are lost."""
    whole, bits = divmod(shift, WORD_BITS)
    x = pad(x, (whole, -whole))
    return x if bits == 0 else (x << bits) | _shifted_down(pad(x, (1, -1)), WORD_BITS - bits)


def move_down(x: Tensor, shift: int) -> Tensor:
    """Move component j to ``j - shift`` in the same number of words; components below 0 are lost."""
    whole, bits = divmod(shift, WORD_BITS)
    x = pad(x, (-whole, whole))
    return x if bits == 0 else _shifted_down(x, bits) | (pad(x, (-1, 1)) << (WORD_BITS - bits))


def clear_tail(x: Tensor, dim: int) -> Tensor:
    """Clear, in place, the bits beyond ``dim`` of the last word."""
    if dim % WORD_BITS:
        x[..., -1] &= (1 << dim % WORD_BITS) - 1
    return x


def rotate(x: Tensor, shifts: int | Tensor, dim: int) -> Tensor:
    """Move component j to ``(j + shift) mod dim``: two shifts of whole rows, or a gather if rows differ."""
    if isinstance(shifts, Tensor) and shifts.ndim:
        here = torch.arange(dim, device=x.device)
        return gather(x, (here - shifts[..., None]) % dim, dim)
    shift = int(shifts) % dim
    if shift == 0:
        return x.clone(memory_format=torch.contiguous_format)
    return clear_tail(move_up(x, shift), dim) | move_down(x, dim - shift)


def gather(x: Tensor, index: Tensor, dim: int) -> Tensor:
    """Unpack, move component ``index[j]`` to component j, and pack, in blocks of rows."""
    words = x.shape[-1]
    batch = torch.broadcast_shapes(x.shape[:-1], index.shape[:-1])
    rows = x.expand(*batch, words).reshape(-1, words)
    if index.ndim == 1:
        parts = [pack(unpack(rows[part], dim)[:, index]) for part in blocks(len(rows), 4 * dim)]
    else:
        places = index.expand(*batch, dim).reshape(-1, dim)
        parts = [
            pack(torch.take_along_dim(unpack(rows[part], dim), places[part], dim=-1))
            for part in blocks(len(rows), 4 * dim)
        ]
    return torch.cat(parts).reshape(*batch, words)
