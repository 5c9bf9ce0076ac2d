"""Majorities and sums of packed words."""

import torch
from torch import Tensor

from hdc.backends.torch_kernels.words import blocks, clear_tail, pack, rotate, unpack
from hdc.errors import ParameterError


def majority(x: Tensor, weights: Tensor | None, tie: Tensor, dim: int) -> Tensor:
    """Count with carry-save adders if all rows weigh the same, else sum the weights component by component."""
    if weights is not None:
        sums = signed_sums(x, weights, dim)
        odd = torch.roll(sums >> 1 & 1, 1, dims=-1).to(torch.bool)
        return pack(torch.where(sums == 0, unpack(tie, dim) ^ odd, sums > 0))
    digits, n = _bit_sliced_counts(x), x.shape[-2]
    odd = clear_tail(~digits[0] if n // 2 % 2 else digits[0].clone(), dim)
    return _exceeds_half(digits, n, tie ^ rotate(odd, 1, dim))


def _bit_sliced_counts(x: Tensor) -> list[Tensor]:
    """Return the binary digits, lowest first, of the number of set bits per column: ``(..., words)`` each.

    A full adder turns three rows of one digit into one row of it and one of the next. All thirds of the rows are added
    at once, so the steps per digit are logarithmic in the number of rows (Muła, Kurz and Lemire 2018).
    """
    digits: list[Tensor] = []
    rows = x
    while rows.shape[-2]:
        carries: list[Tensor] = []
        while (n := rows.shape[-2]) > 1:
            third = max(1, n // 3)
            a, b = rows[..., :third, :], rows[..., third : 2 * third, :]
            half, both = a ^ b, a & b
            if n >= 3:
                c = rows[..., 2 * third : 3 * third, :]
                rows, both = torch.cat([half ^ c, rows[..., 3 * third :, :]], dim=-2), both | (half & c)
            else:
                rows = half
            carries.append(both)
        digits.append(rows[..., 0, :])
        rows = torch.cat(carries, dim=-2) if carries else rows[..., :0, :]
    return digits


def _exceeds_half(digits: list[Tensor], n: int, tie: Tensor) -> Tensor:
    """Compare bit-sliced counts with ``n / 2``, from the lowest digit up; ties get the bits of ``tie``."""
    above, equal = torch.zeros_like(digits[0]), torch.full_like(digits[0], -1 if n % 2 == 0 else 0)
    for i, digit in enumerate(digits):
        if n // 2 >> i & 1:
            above, equal = above & digit, equal & digit
        else:
            above, equal = above | digit, equal & ~digit
    return above | (equal & tie)


def _checked(weights: Tensor) -> Tensor:
    """Return ``(..., n)`` weights as int64; raise ParameterError if a sum of them might overflow."""
    sums = weights.to(torch.float64).abs().sum(dim=-1)
    magnitude = float(sums.max()) if sums.numel() else 0.0
    if magnitude >= 2.0**62:
        raise ParameterError(f"the magnitudes of the weights sum to {magnitude:.3g}; keep them below 2^62")
    return weights.to(torch.int64)


def signed_sums(x: Tensor, weights: Tensor | None, dim: int) -> Tensor:
    """Sum, component by component, the weights of the rows: plus where the bit is set, minus where clear."""
    *batch, n, _ = x.shape
    if weights is not None:
        batch = list(torch.broadcast_shapes(tuple(batch), weights.shape[:-1]))
        weights = _checked(weights)
    sums = torch.zeros((*batch, dim), dtype=torch.int64, device=x.device)
    for rows in blocks(n, 16 * sums.numel()):
        bits = unpack(x[..., rows, :], dim)
        if weights is None:
            sums += 2 * bits.sum(dim=-2) - bits.shape[-2]
        else:
            w = weights[..., rows, None]
            sums += torch.where(bits, w, -w).sum(dim=-2)
    return sums
