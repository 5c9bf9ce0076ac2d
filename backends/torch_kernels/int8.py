"""Kernels of bytes: products of signs, sums of columns, dot products of all pairs."""

from collections.abc import Callable

import torch
from torch import Tensor

from hdc.backends.torch_kernels.words import blocks


def _are_signs(x: Tensor) -> Tensor:
    return (((x + 1) & ~2) == 0).all()  # adding 1 gives 0 or 2


def sign_product(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Multiply, and check each operand, without waiting for a GPU."""
    others = _are_signs(b) if b.dtype == torch.int8 else (b != torch.iinfo(b.dtype).min).all()
    return (a * b).contiguous(), _are_signs(a) & others


def _magnitude(x: Tensor) -> int:
    return max(int(x.max()), -int(x.min())) if x.numel() else 0


def byte_dots(queries: Tensor, items: Tensor, exact_integers: Callable[[], int]) -> tuple[Tensor, Tensor]:
    """Multiply matrices of a float type that represents every sum exactly, in blocks of items."""
    dim, greatest = items.shape[1], _magnitude(items)
    most = max(_magnitude(queries), greatest)
    exact = torch.float32 if dim * greatest * most <= 2**24 and most <= exact_integers() else torch.float64
    asked = queries.to(exact)
    dots = torch.empty((len(queries), len(items)), dtype=torch.int64, device=items.device)
    squares = torch.empty(len(items), dtype=torch.int64, device=items.device)
    for rows in blocks(len(items), 8 * dim):
        block = items[rows].to(exact)
        dots[:, rows] = (asked @ block.T).to(torch.int64)
        squares[rows] = torch.linalg.vecdot(block, block).to(torch.int64)
    return dots, squares


def byte_sums(x: Tensor) -> Tensor:
    """Add along axis -2."""
    return torch.sum(x, dim=-2, dtype=torch.int32)
