"""Dense kernels that propagate gradients."""

import torch
from torch import Tensor

from hdc.backends.torch_kernels.words import blocks

FACTOR = 7
"""Index digits that one matrix transforms: 128 x 128 fits a GPU's matrix units and a CPU's cache."""


_MATRICES: dict[tuple[int, torch.dtype, torch.device], Tensor] = {}
"""At most seven small matrices per dtype and device; not lru_cache, which torch.compile cannot trace."""


def _sylvester(levels: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the orthonormal Walsh-Hadamard matrix of order ``2**levels`` (at most 128)."""
    key = levels, dtype, device
    if key not in _MATRICES:
        with torch.inference_mode(False):  # otherwise the matrix could not be used with gradients
            matrix = torch.ones((1, 1), dtype=torch.float64)
            for _ in range(levels):
                matrix = torch.cat([torch.cat([matrix, matrix], dim=1), torch.cat([matrix, -matrix], dim=1)])
            _MATRICES[key] = (matrix * 2 ** (-levels / 2)).to(device=device, dtype=dtype)
    return _MATRICES[key]


def fwht(x: Tensor) -> Tensor:
    """Transform as a Kronecker product: one small matrix per group of at most ``FACTOR`` index digits.

    At dim 8192 this passes over the memory twice, where butterflies need thirteen passes. No matrix exceeds 128 rows.
    """
    dim = x.shape[-1]
    levels = dim.bit_length() - 1
    groups = -(-levels // FACTOR)
    y, after = x, 1
    for group in range(groups):
        digits = levels // groups + (group < levels % groups)
        matrix = _sylvester(digits, x.dtype, x.device)
        order = len(matrix)
        y = y.reshape(-1, order) @ matrix if after == 1 else matrix @ y.reshape(-1, order, after)
        after *= order
    return x.clone() if groups == 0 else y.reshape(x.shape)


def signed_gather(x: Tensor, index: Tensor, sign: Tensor) -> Tensor:
    """Permute the components and flip signs: a signed permutation matrix times each row."""
    return torch.index_select(x, -1, index) * sign.to(x.dtype)


def signed_products(entries: Tensor, outer: Tensor, inner: Tensor) -> Tensor:
    """Look up inner entries where the outer ones point, in blocks, and flip signs where the outer ones are negative."""
    parts = blocks(len(outer), 16 * entries.shape[1])
    return torch.cat([_products(entries, outer[part], inner[part]) for part in parts])


def _products(entries: Tensor, outer: Tensor, inner: Tensor) -> Tensor:
    after = entries[outer]
    return torch.gather(entries[inner], -1, (after >> 1).long()) ^ (after & 1)


def signed_gathers(x: Tensor, entries: Tensor, outer: Tensor, inner: Tensor) -> Tensor:
    """Permute and flip each row by its own product, in blocks."""
    out = []
    for part in blocks(len(x), 32 * x.shape[1]):
        own = _products(entries, outer[part], inner[part])
        out.append(torch.gather(x[part], -1, (own >> 1).long()) * (1 - 2 * (own & 1)).to(x.dtype))
    return torch.cat(out)


def hadamard(x: Tensor, first: Tensor, middle: Tensor, index: Tensor, sign: Tensor, steps: int) -> Tensor:
    """Apply the other kernels, step by step; each step has its own arrays, so that gradients flow."""
    dim = x.shape[-1]
    p = 1 << (dim.bit_length() - 1)
    parts = (slice(0, p), slice(dim - p, dim))[:: 1 if steps > 0 else -1]
    y = x
    for _ in range(abs(steps)):
        y = y * first.to(x.dtype) if steps > 0 else signed_gather(y, index, sign)
        if p == dim:
            y = fwht(y)
        else:
            y[..., parts[0]] = fwht(y[..., parts[0]])
            y *= middle.to(x.dtype)
            y[..., parts[1]] = fwht(y[..., parts[1]])
        y = signed_gather(y, index, sign) if steps > 0 else y * first.to(x.dtype)
    return y


def csr_matmul(data: Tensor, indices: Tensor, indptr: Tensor, x: Tensor) -> Tensor:
    """Add the chosen rows of ``x``, times their weights, to their result rows, in blocks."""
    docs = len(indptr) - 1
    out = x.new_zeros((docs, x.shape[1]))
    rows = torch.arange(docs, device=x.device)
    row = torch.repeat_interleave(rows, torch.diff(indptr), output_size=len(indices))
    for part in blocks(len(data), 2 * x.element_size() * x.shape[1]):
        out = out.index_add(0, row[part], data[part, None].to(x.dtype) * x[indices[part]])
    return out


def phasor_product(a: Tensor, b: Tensor, conjugate: bool) -> Tensor:
    """Multiply complex numbers, with torch's complex type if it has one of this precision, else by parts."""
    if a.dtype in (torch.float32, torch.float64):
        one, other = _complex(a), _complex(b)
        return torch.view_as_real((one.conj() if conjugate else one) * other).flatten(-2)
    re, im, real, imaginary = a[..., 0::2], a[..., 1::2], b[..., 0::2], b[..., 1::2]
    im = -im if conjugate else im
    return torch.stack([re * real - im * imaginary, re * imaginary + im * real], dim=-1).flatten(-2)


def _complex(x: Tensor) -> Tensor:
    gapless = x.contiguous()
    if gapless.storage_offset() % 2:  # complex numbers must start at even offsets
        gapless = gapless.clone()
    return torch.view_as_complex(gapless.unflatten(-1, (-1, 2)))


def convolve(a: Tensor, b: Tensor, back: bool) -> Tensor:
    """Multiply frequencies."""
    batch = torch.broadcast_shapes(a.shape[:-1], b.shape[:-1])
    if 0 in batch:  # an empty batch has no transform
        return b.new_zeros((*batch, b.shape[-1]))
    spectrum = torch.fft.rfft(a)
    product = (spectrum.conj() if back else spectrum) * torch.fft.rfft(b)
    return torch.fft.irfft(product, n=b.shape[-1])


def row_sums(x: Tensor) -> Tensor:
    """Add along axis -2."""
    return torch.sum(x, dim=-2)
