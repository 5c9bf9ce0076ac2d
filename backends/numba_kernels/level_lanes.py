"""Vectors of level bytes: extract numbers from words, look them up in a table of sixteen, and sum them."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from hdc.backends.numba_kernels.jit import compiled_from
from hdc.backends.numba_kernels.simd import LANES, VECTOR, Vector

ENTRIES = 16
"""Bytes per table."""

_I8, _I32, _I64 = (ir.IntType(bits) for bits in (8, 32, 64))
_SIZE = 8 * LANES
_WORDS, _HALVES, _BYTES = (ir.VectorType(kind, 8 * _SIZE // kind.width) for kind in (_I64, _I32, _I8))
_TABLE = ir.VectorType(_I8, ENTRIES)


def _lanes(numbers: list[int]) -> Any:
    return ir.Constant(ir.VectorType(_I32, len(numbers)), numbers)


def _everywhere(builder: Any, number: Any) -> Any:
    first = builder.insert_element(ir.Constant(_WORDS, ir.Undefined), number, _I32(0))
    return builder.shuffle_vector(first, first, _lanes([0] * LANES))


def _plain_moved_down(vector: Vector, places: int) -> Vector:
    return vector >> np.uint64(places)


@compiled_from(_plain_moved_down)
def moved_down(typing: Any, vector: Any, places: Any) -> Any:
    """Return each lane shifted down by ``places``, which is below 64."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.lshr(args[0], _everywhere(builder, args[1]))

    return VECTOR(VECTOR, types.int64), generate


def _plain_raised_halves(vector: Vector, places: int) -> Vector:
    return (vector.view(np.uint32) << np.uint32(places)).view(np.uint64)


@compiled_from(_plain_raised_halves)
def raised_halves(typing: Any, vector: Any, places: Any) -> Any:
    """Return each 32-bit half shifted up by ``places``, which is below 32."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        count = builder.insert_element(ir.Constant(_HALVES, ir.Undefined), builder.trunc(args[1], _I32), _I32(0))
        counts = builder.shuffle_vector(count, count, _lanes([0] * (2 * LANES)))
        return builder.bitcast(builder.shl(builder.bitcast(args[0], _HALVES), counts), _WORDS)

    return VECTOR(VECTOR, types.int64), generate


def _plain_added_halves(a: Vector, b: Vector) -> Vector:
    return (a.view(np.uint32) + b.view(np.uint32)).view(np.uint64)


@compiled_from(_plain_added_halves)
def added_halves(typing: Any, a: Any, b: Any) -> Any:
    """Add the sixteen 32-bit numbers of two vectors."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(builder.add(*(builder.bitcast(x, _HALVES) for x in args)), _WORDS)

    return VECTOR(VECTOR, VECTOR), generate


def _plain_joined_halves(vector: Vector) -> Vector:
    return vector.view(np.int32).reshape(LANES, 2).sum(axis=1, dtype=np.int64).view(np.uint64)


@compiled_from(_plain_joined_halves)
def joined_halves(typing: Any, vector: Any) -> Any:
    """Return in each lane the sum of its two 32-bit numbers."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        half = ir.Constant(_WORDS, [32] * LANES)
        low = builder.ashr(builder.shl(args[0], half), half)
        return builder.add(low, builder.ashr(args[0], half))

    return VECTOR(VECTOR), generate


def _plain_table_at(memory: Any, at: int) -> Vector:
    return np.tile(memory[at : at + ENTRIES].view(np.uint8), _SIZE // ENTRIES).view(np.uint64)


@compiled_from(_plain_table_at)
def table_at(typing: Any, memory: Any, at: Any) -> Any:
    """Return the sixteen bytes from ``memory[at]`` on, repeated four times; ``memory`` is a pointer to bytes."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        table = builder.load(builder.bitcast(builder.gep(args[0], [args[1]]), _TABLE.as_pointer()), align=1)
        four = builder.shuffle_vector(table, table, _lanes(list(range(ENTRIES)) * (_SIZE // ENTRIES)))
        return builder.bitcast(four, _WORDS)

    return VECTOR(memory, types.intp), generate


def _plain_looked_up(table: Vector, numbers: Vector) -> Vector:
    return table.view(np.uint8)[numbers.view(np.uint8)].view(np.uint64)


@compiled_from(_plain_looked_up)
def looked_up(typing: Any, table: Any, numbers: Any) -> Any:
    """Return the table byte, as of :func:`table_at`, for each byte of ``numbers``, all of which are below 16."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        table, numbers = (builder.bitcast(x, _BYTES) for x in args)
        features = context.codegen().magic_tuple()[2].split(",")
        if "+avx512bw" in features:
            found = _called(builder, "llvm.x86.avx512.pshuf.b.512", table, numbers)
        elif "+avx2" in features:
            parts = []
            for start in (0, _SIZE // 2):
                own = _lanes(list(range(start, start + _SIZE // 2)))
                halves = (builder.shuffle_vector(x, x, own) for x in (table, numbers))
                parts.append(_called(builder, "llvm.x86.avx2.pshuf.b", *halves))
            found = builder.shuffle_vector(*parts, _lanes(list(range(_SIZE))))
        else:
            found = ir.Constant(_BYTES, ir.Undefined)
            for lane in range(_SIZE):
                entry = builder.extract_element(table, builder.extract_element(numbers, _I32(lane)))
                found = builder.insert_element(found, entry, _I32(lane))
        return builder.bitcast(found, _WORDS)

    return VECTOR(VECTOR, VECTOR), generate


def _called(builder: Any, name: str, table: Any, numbers: Any) -> Any:
    kind = ir.FunctionType(table.type, [table.type, numbers.type])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [table, numbers])
