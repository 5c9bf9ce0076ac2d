"""Models with flipped bits: the effect of memory errors."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.learn.bits.density import Density
from hdc.apps.learn.bits.encoders import Encoder
from hdc.apps.learn.bits.fourier import Fourier
from hdc.words import Words, pack

PARTS = ("classes", "tables")
"""Parts of a model that can be flipped."""


def flip_bits(values: npt.NDArray[Any], share: float, rng: np.random.Generator) -> npt.NDArray[Any]:
    """Return a copy of integers with a share of all their bits flipped, as near as a whole number can be."""
    flips = _chosen(8 * values.nbytes, share, rng)
    changed = np.ascontiguousarray(values).reshape(-1).view(np.uint8) ^ np.packbits(flips, bitorder="little")
    return changed.view(values.dtype).reshape(values.shape)


def flip_planes(words: Words, dim: int, share: float, rng: np.random.Generator) -> Words:
    """Return a copy of packed vectors ``(..., words)`` with a share of their components flipped, and clear padding."""
    flips = _chosen(words[..., 0].size * dim, share, rng)
    return words ^ pack(flips.reshape(*words.shape[:-1], dim))


def flip_encoder(encoder: Encoder, share: float, rng: np.random.Generator) -> Encoder:
    """Return an encoder with a share of the bits of its tables flipped."""
    if isinstance(encoder, Density):
        both = flip_planes(np.concatenate([encoder.roles, encoder.tie[None]]), encoder.dim, share, rng)
        return dataclasses.replace(encoder, roles=both[:-1], tie=both[-1])
    if isinstance(encoder, Fourier):
        raw = np.concatenate([encoder.weights.reshape(-1).view(np.uint8), encoder.offsets.view(np.uint8)])
        flipped, size = flip_bits(raw, share, rng), encoder.weights.nbytes
        weights = flipped[:size].view(encoder.weights.dtype).reshape(encoder.weights.shape)
        return dataclasses.replace(encoder, offsets=flipped[size:].view(np.uint32), weights=weights)
    return encoder


def _chosen(bits: int, share: float, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    flips = np.zeros(bits, np.bool_)
    flips[rng.choice(bits, round(share * bits), replace=False, shuffle=False)] = True
    return flips
