"""The bits of a word as 64 bytes, for the dot-product instruction on bytes."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from hdc.backends.numba_kernels.jit import compiled_from
from hdc.backends.numba_kernels.simd import LANES, VECTOR, VECTOR_BITS, Vector

_BITS = VECTOR_BITS // LANES
_FLAGS = ir.VectorType(ir.IntType(1), _BITS)
_BYTES = ir.VectorType(ir.IntType(8), _BITS)
_VECTOR = ir.VectorType(ir.IntType(64), LANES)


def _plain_bit_bytes(word: int) -> Vector:
    return np.unpackbits(np.array([int(word) % 2**64], "<u8").view(np.uint8), bitorder="little").view(np.uint64)


@compiled_from(_plain_bit_bytes)
def bit_bytes(typing: Any, word: Any) -> Any:
    """Return the vector whose byte j is bit j of a uint64: 0 or 1."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(builder.zext(builder.bitcast(args[0], _FLAGS), _BYTES), _VECTOR)

    return VECTOR(types.uint64), generate
