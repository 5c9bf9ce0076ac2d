"""Append eight lanes at a time to a list of pairs: lanes that pass a threshold are packed together without a branch."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from hdc.backends.numba_kernels.jit import compiled_from
from hdc.backends.numba_kernels.simd import LANES, VECTOR, Vector
from hdc.backends.numba_kernels.topk import ID_BITS

_I1, _I32, _I64 = (ir.IntType(bits) for bits in (1, 32, 64))
_VECTOR, _HALVES = ir.VectorType(_I64, LANES), ir.VectorType(_I32, LANES)


def _plain_pair_lanes(scores: Any, ids: Vector) -> Vector:
    bits = scores[:LANES].view(np.int32).astype(np.int64)
    return ((np.where(bits < 0, bits & 0x7FFFFFFF, ~bits) << ID_BITS) | ids.view(np.int64)).view(np.uint64)


@compiled_from(_plain_pair_lanes)
def pair_lanes(typing: Any, scores: Any, ids: Any) -> Any:
    """Return in lane l the pair of ``scores[l]``, read through a pointer to float32, and the id in lane l.

    A pair is ``score_key(bits) << ID_BITS | id``.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def halves(number: int) -> Any:
            return ir.Constant(_HALVES, [number] * LANES)

        bits = builder.load(builder.bitcast(args[0], _HALVES.as_pointer()), align=4)
        negative = builder.icmp_signed("<", bits, halves(0))
        keys = builder.select(negative, builder.and_(bits, halves(0x7FFFFFFF)), builder.not_(bits))
        high = builder.shl(builder.sext(keys, _VECTOR), ir.Constant(_VECTOR, [ID_BITS] * LANES))
        return builder.or_(high, args[1])

    return VECTOR(scores, VECTOR), generate


def _plain_not_negative(vector: Vector) -> int:
    return int(np.packbits(vector.view(np.int64) >= 0, bitorder="little")[0])


@compiled_from(_plain_not_negative)
def not_negative(typing: Any, vector: Any) -> Any:
    """Return an int64 with bit l set where lane l, as a signed number, is not negative."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        flags = builder.icmp_signed(">=", args[0], ir.Constant(_VECTOR, [0] * LANES))
        return builder.zext(builder.bitcast(flags, ir.IntType(LANES)), _I64)

    return types.int64(VECTOR), generate


def _plain_top_bits(vector: Vector) -> Any:
    return np.packbits(vector.view(np.int8) < 0, bitorder="little").view(np.uint64)[0]


@compiled_from(_plain_top_bits)
def top_bits(typing: Any, vector: Any) -> Any:
    """Return the uint64 of the highest bit of each of the 64 bytes of a vector."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.VectorType(ir.IntType(8), 8 * LANES)
        flags = builder.icmp_signed("<", builder.bitcast(args[0], kind), ir.Constant(kind, [0] * 8 * LANES))
        return builder.bitcast(flags, _I64)

    return types.uint64(VECTOR), generate


def _plain_below(a: Vector, b: Vector) -> int:
    return int(np.packbits(a.view(np.int64) < b.view(np.int64), bitorder="little")[0])


@compiled_from(_plain_below)
def below(typing: Any, a: Any, b: Any) -> Any:
    """Return an int64 with bit l set where lane l of ``a`` is less than that of ``b``, as signed numbers."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        flags = builder.icmp_signed("<", *args)
        return builder.zext(builder.bitcast(flags, ir.IntType(LANES)), _I64)

    return types.int64(VECTOR, VECTOR), generate


def _plain_put_between(before: Vector, number: Vector, here: Vector) -> Vector:
    signed = np.maximum(before.view(np.int64), number.view(np.int64))
    return np.minimum(signed, here.view(np.int64)).view(np.uint64)


@compiled_from(_plain_put_between)
def put_between(typing: Any, before: Any, number: Any, here: Any) -> Any:
    """Return what eight places of an ascending row hold once a signed number was put into it.

    ``here`` are the lanes at these places, and ``before`` those one place earlier.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        before, number, here = args
        later = builder.select(builder.icmp_signed(">", before, number), before, number)
        return builder.select(builder.icmp_signed("<", later, here), later, here)

    return VECTOR(VECTOR, VECTOR, VECTOR), generate


def _plain_packed(vector: Vector, chosen: int) -> Vector:
    there = (int(chosen) >> np.arange(LANES)) & 1
    return np.concatenate([vector[there == 1], vector[there == 0]])


@compiled_from(_plain_packed)
def packed(typing: Any, vector: Any, chosen: Any) -> Any:
    """Return the lanes whose bit of ``chosen`` is set side by side, the lowest first; the rest is undefined."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector, chosen = args
        flags = builder.bitcast(builder.trunc(chosen, ir.IntType(LANES)), ir.VectorType(_I1, LANES))
        if "+avx512f" in context.codegen().magic_tuple()[2].split(","):
            kind = ir.FunctionType(_VECTOR, [_VECTOR, _VECTOR, flags.type])
            name = "llvm.x86.avx512.mask.compress.v8i64"
            return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [vector, vector, flags])
        lanes = cgutils.alloca_once(builder, ir.ArrayType(_I64, LANES))
        place = _I32(0)
        for lane in range(LANES):
            # Every lane is written; the next one overwrites a lane that is not chosen.
            address = builder.gep(lanes, [_I32(0), place])
            builder.store(builder.extract_element(vector, _I32(lane)), address)
            place = builder.add(place, builder.zext(builder.extract_element(flags, _I32(lane)), _I32))
        return builder.load(builder.bitcast(lanes, _VECTOR.as_pointer()), align=8)

    return VECTOR(VECTOR, types.int64), generate
