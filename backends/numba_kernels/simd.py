"""Vectors of eight 64-bit words as Numba values: the few operations in which search kernels are written.

Numba vectorizes loops over arrays, but a carry-save adder keeps a dozen vectors in registers at once, which no loop can
express. Here a *vector* is an ordinary value: ``load`` it, combine it with ``& | ^ ~ +``, ``store`` it. LLVM maps it to
one AVX-512 register, two AVX2 or four NEON registers, so kernels need no variant per CPU. Only :func:`majority` and
:func:`dot_bytes` have shortcuts for one instruction set, with the same results.

With the JIT switched off (``NUMBA_DISABLE_JIT=1``), a vector is a NumPy array of shape (8,), and every operation below
is its plain Python twin. So the kernels run as plain Python, for example to measure coverage.
"""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, ConcreteTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model

from hdc.backends.numba_kernels.jit import compiled_from
from hdc.words import Words

LANES = 8
"""Words per vector."""

VECTOR_BITS = 64 * LANES
"""Bits per vector."""

Vector = Any
"""Type of :func:`load`'s result: an LLVM ``<8 x i64>`` in compiled code, otherwise a (8,) uint64 array."""

_I1, _I8, _I32, _I64 = (ir.IntType(bits) for bits in (1, 8, 32, 64))
_VECTOR = ir.VectorType(_I64, LANES)


class VectorType(types.Type):
    """Numba's type of a vector."""

    def __init__(self) -> None:
        super().__init__(name="Vector8x64")


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: VectorType) -> None:
        super().__init__(manager, numba_type, _VECTOR)


VECTOR = VectorType()

_OPERATORS: dict[Callable[..., Any], str] = {
    operator.and_: "and_",
    operator.or_: "or_",
    operator.xor: "xor",
    operator.add: "add",
    operator.invert: "not_",
}


def _register_operator(python_operator: Callable[..., Any], instruction: str) -> None:
    arity = 1 if python_operator is operator.invert else 2

    class Template(ConcreteTemplate):
        cases = (signature(VECTOR, *[VECTOR] * arity),)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args)

    infer_global(python_operator)(Template)
    lower_builtin(python_operator, *[VECTOR] * arity)(generate)


for _operator, _instruction in _OPERATORS.items():
    _register_operator(_operator, _instruction)


Pointer = Any
"""Type of :func:`pointer`'s result: an address in compiled code, otherwise the flat array."""


class PointerType(types.Type):
    """Numba's type of the address of an array's first element."""

    def __init__(self, dtype: types.Type, mutable: bool = False) -> None:
        self.dtype, self.mutable = dtype, mutable
        super().__init__(name=f"Pointer({dtype}, mutable={mutable})")


@register_model(PointerType)
class _PointerModel(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: PointerType) -> None:
        pointed = manager.lookup(numba_type.dtype).get_data_type()
        super().__init__(manager, numba_type, pointed.as_pointer())


@infer_global(operator.getitem)
class _PointerItem(AbstractTemplate):
    def generic(self, args: tuple[types.Type, ...], kws: dict[str, types.Type]) -> Any:
        base, index = args
        if isinstance(base, PointerType) and isinstance(index, types.Integer):
            return signature(base.dtype, base, types.intp)
        return None


@lower_builtin(operator.getitem, PointerType, types.Integer)
def _load_item(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.load(builder.gep(args[0], [args[1]]))


@infer_global(operator.setitem)
class _PointerSetItem(AbstractTemplate):
    def generic(self, args: tuple[types.Type, ...], kws: dict[str, types.Type]) -> Any:
        base, index, _ = args
        if isinstance(base, PointerType) and base.mutable and isinstance(index, types.Integer):
            return signature(types.none, base, types.intp, base.dtype)
        return None


@lower_builtin(operator.setitem, PointerType, types.Integer, types.Any)
def _store_item(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    builder.store(args[2], builder.gep(args[0], [args[1]]))
    return context.get_dummy_value()


def _plain_pointer(array: Any) -> Any:
    return array.reshape(-1)


@compiled_from(_plain_pointer)
def pointer(typing: Any, array: Any) -> Any:
    """Return the address of a C-contiguous array, to be indexed as if flat.

    Compiled functions count references to each array argument atomically, but not to pointers. The caller must keep the
    array alive.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.make_array(sig.args[0])(context, builder, args[0]).data

    return PointerType(array.dtype, array.mutable)(array), generate


def _word_address(context: Any, builder: Any, base_type: Any, base: Any, at: Any) -> Any:
    if not isinstance(base_type, PointerType):
        base = context.make_array(base_type)(context, builder, base).data
    return builder.bitcast(builder.gep(base, [at]), _VECTOR.as_pointer())


def _plain_load(words: Words, at: int) -> Vector:
    return words[at : at + LANES].copy()


@compiled_from(_plain_load)
def load(typing: Any, words: Any, at: Any) -> Any:
    """Return the vector ``words[at : at + 8]`` of a flat uint64 array, or of a pointer to one."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_word_address(context, builder, sig.args[0], *args), align=8)

    return VECTOR(words, types.intp), generate


def _plain_store(words: Words, at: int, vector: Vector) -> None:
    words[at : at + LANES] = vector


@compiled_from(_plain_store)
def store(typing: Any, words: Any, at: Any, vector: Any) -> Any:
    """Write a vector to ``words[at : at + 8]``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        address = _word_address(context, builder, sig.args[0], *args[:2])
        builder.store(args[2], address, align=8)
        return context.get_dummy_value()

    return types.void(words, types.intp, VECTOR), generate


def _plain_store_in_turn(words: Words, at: int, a: Vector, b: Vector, c: Vector, d: Vector) -> None:
    words[at : at + 4 * LANES] = np.stack([a, b, c, d], axis=1).ravel()


@compiled_from(_plain_store_in_turn)
def store_in_turn(typing: Any, words: Any, at: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Write the first lanes of four vectors to ``words[at : at + 4]``, then their second lanes, and so on."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def chosen(one: Any, other: Any, lanes: list[int]) -> Any:
            return builder.shuffle_vector(one, other, ir.Constant(ir.VectorType(_I32, len(lanes)), lanes))

        both = list(range(2 * LANES))
        one, other = chosen(args[2], args[3], both), chosen(args[4], args[5], both)
        in_turn = chosen(one, other, [LANES * vector + lane for lane in range(LANES) for vector in range(4)])
        address = _word_address(context, builder, sig.args[0], *args[:2])
        builder.store(in_turn, builder.bitcast(address, in_turn.type.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(words, types.intp, VECTOR, VECTOR, VECTOR, VECTOR), generate


def _plain_prefetch(words: Words, at: int) -> None:
    pass


@compiled_from(_plain_prefetch)
def prefetch(typing: Any, words: Any, at: Any) -> Any:
    """Prefetch the cache line of ``words[at]``, for use soon but not at once."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        line = builder.bitcast(_word_address(context, builder, sig.args[0], *args), _I8.as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [line.type, _I32, _I32, _I32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        read, second_level_cache, data = _I32(0), _I32(2), _I32(1)
        builder.call(function, [line, read, second_level_cache, data])
        return context.get_dummy_value()

    return types.void(words, types.intp), generate


def _plain_splat(word: int) -> Vector:
    return np.full(LANES, int(word) % 2**64, dtype=np.uint64)


@compiled_from(_plain_splat)
def splat(typing: Any, word: Any) -> Any:
    """Return the vector with ``word`` (taken as 64 bits) in every lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), args[0], _I32(0))
        return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES))

    return VECTOR(types.int64), generate


def _plain_multiply_lanes(a: Vector, b: Vector) -> tuple[Vector, Vector]:
    products = [int(one) * int(other) for one, other in zip(a, b, strict=True)]
    lowest = (1 << 64) - 1
    return np.array([p >> 64 for p in products], np.uint64), np.array([p & lowest for p in products], np.uint64)


@compiled_from(_plain_multiply_lanes)
def multiply_lanes(typing: Any, a: Any, b: Any) -> Any:
    """Return the (high, low) halves of the 128-bit products of two vectors' lanes.

    They are composed of four products of halves, each of which is one instruction.
    """
    pair = types.UniTuple(VECTOR, 2)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        half, mask = (ir.Constant(_VECTOR, [number] * LANES) for number in (32, 0xFFFFFFFF))
        a, b = ([builder.and_(vector, mask), builder.lshr(vector, half)] for vector in args)
        (lowest, one), (other, highest) = ([builder.mul(lane, by) for by in b] for lane in a)
        middle = builder.add(builder.add(builder.lshr(lowest, half), builder.and_(one, mask)), other)  # below 2**64
        high = builder.add(builder.add(highest, builder.lshr(one, half)), builder.lshr(middle, half))
        low = builder.or_(builder.shl(middle, half), builder.and_(lowest, mask))
        return context.make_tuple(builder, pair, [high, low])

    return pair(VECTOR, VECTOR), generate


def _plain_ctpop(bits: Any) -> Any:
    return np.uint64(np.bitwise_count(bits))


@compiled_from(_plain_ctpop)
def ctpop(typing: Any, bits: Any) -> Any:
    """Return the number of set bits of a uint64 word, or of each lane of a vector."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        operand = args[0].type
        name = "llvm.ctpop.i64" if operand == _I64 else f"llvm.ctpop.v{LANES}i64"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(operand, [operand]), name)
        return builder.call(function, args)

    return bits(bits), generate


def _plain_smaller(a: Vector, b: Vector) -> Vector:
    return np.minimum(a, b)


@compiled_from(_plain_smaller)
def smaller(typing: Any, a: Any, b: Any) -> Any:
    """Return the smaller of each two lanes of two vectors."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.icmp_unsigned("<", *args), *args)

    return VECTOR(VECTOR, VECTOR), generate


def _plain_lowest_bit(word: int) -> int:
    return (int(word) & -int(word)).bit_length() - 1


@compiled_from(_plain_lowest_bit)
def lowest_bit(typing: Any, word: Any) -> Any:
    """Return the position of the lowest set bit of a nonzero int64."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(_I1, 1))

    return types.int64(types.int64), generate


def _plain_majority(a: Vector, b: Vector, c: Vector) -> Vector:
    return (a & b) | (c & (a | b))


@compiled_from(_plain_majority)
def majority(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Return the bits set in at least two of the three: the carry of ``a + b + c``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        compiled_for = context.codegen().magic_tuple()[2]
        if "+avx512f" not in compiled_for.split(","):
            a, b, c = args
            return builder.or_(builder.and_(a, b), builder.and_(c, builder.or_(a, b)))
        # LLVM finds the one-instruction form of a ^ b ^ c by itself, but not that of the majority.
        kind = ir.FunctionType(_VECTOR, [_VECTOR, _VECTOR, _VECTOR, _I32])
        name = "llvm.x86.avx512.pternlog.q.512"
        truth_table = _I32(0b11101000)
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [*args, truth_table])

    return VECTOR(VECTOR, VECTOR, VECTOR), generate


def _plain_pair_sums(a: Vector, b: Vector, step: int) -> Vector:
    lane = np.arange(LANES)
    return np.where(lane & step, b[lane & ~step] + b[lane | step], a[lane & ~step] + a[lane | step])


@compiled_from(_plain_pair_sums)
def pair_sums(typing: Any, a: Any, b: Any, step: Any) -> Any:
    """Add lanes ``step`` (1, 2 or 4) apart: those of ``a`` where the lane number lacks that bit, else those of ``b``.

    Three rounds, with steps 1, 2 and 4, turn eight vectors into the vector of their eight sums.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        apart = step.literal_value
        from_b = [LANES if lane & apart else 0 for lane in range(LANES)]
        low = [(lane & ~apart) + offset for lane, offset in enumerate(from_b)]
        high = [(lane | apart) + offset for lane, offset in enumerate(from_b)]
        kind = ir.VectorType(_I32, LANES)
        halves = (builder.shuffle_vector(*args[:2], ir.Constant(kind, lanes)) for lanes in (low, high))
        return builder.add(*halves)

    return VECTOR(VECTOR, VECTOR, step), generate


def _plain_interleaved(vector: Vector) -> Vector:
    return vector.reshape(2, LANES // 2).T.reshape(-1).copy()


@compiled_from(_plain_interleaved)
def interleaved(typing: Any, vector: Any) -> Any:
    """Return the lanes of the two halves alternately: 0, 4, 1, 5, 2, 6, 3, 7."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        lanes = ir.Constant(ir.VectorType(_I32, LANES), [lane // 2 + lane % 2 * (LANES // 2) for lane in range(LANES)])
        return builder.shuffle_vector(args[0], args[0], lanes)

    return VECTOR(VECTOR), generate


def _any_lane(builder: Any, flags: Any) -> Any:
    return builder.icmp_unsigned("!=", builder.bitcast(flags, _I8), _I8(0))


def _plain_any_below(a: Vector, b: Vector) -> bool:
    return bool((a < b).any())


@compiled_from(_plain_any_below)
def any_below(typing: Any, a: Any, b: Any) -> Any:
    """Return whether any lane of ``a`` is less than the same lane of ``b``, as unsigned words."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _any_lane(builder, builder.icmp_unsigned("<", *args))

    return types.boolean(VECTOR, VECTOR), generate


def _plain_any_bit(vector: Vector) -> bool:
    return bool(vector.any())


@compiled_from(_plain_any_bit)
def any_bit(typing: Any, vector: Any) -> Any:
    """Return whether any bit of the vector is set."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        zeros = ir.Constant(_VECTOR, [0] * LANES)
        return _any_lane(builder, builder.icmp_unsigned("!=", args[0], zeros))

    return types.boolean(VECTOR), generate


_BYTES = 8 * LANES
"""Bytes per vector."""

_B_VECTOR, _D_VECTOR, _F_VECTOR = (
    ir.VectorType(_I8, _BYTES),
    ir.VectorType(_I32, 2 * LANES),
    ir.VectorType(ir.FloatType(), LANES),
)


def _plain_load_bytes(memory: Any, at: int) -> Vector:
    return memory[at : at + _BYTES].copy().view(np.uint64)


@compiled_from(_plain_load_bytes)
def load_bytes(typing: Any, memory: Any, at: Any) -> Any:
    """Return the vector of 64 bytes from ``memory[at]`` on, read through a pointer to bytes; at any address."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_word_address(context, builder, sig.args[0], *args), align=1)

    return VECTOR(memory, types.intp), generate


def _plain_store_bytes(memory: Any, at: int, vector: Vector) -> None:
    memory[at : at + _BYTES] = vector.view(memory.dtype)


@compiled_from(_plain_store_bytes)
def store_bytes(typing: Any, memory: Any, at: Any, vector: Any) -> Any:
    """Write a vector to the 64 bytes from ``memory[at]`` on, through a pointer to bytes; at any address."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _word_address(context, builder, sig.args[0], *args[:2]), align=1)
        return context.get_dummy_value()

    return types.void(memory, types.intp, VECTOR), generate


def _plain_splat32(number: int) -> Vector:
    return np.full(2 * LANES, int(number) % 2**32, dtype=np.uint32).view(np.uint64)


@compiled_from(_plain_splat32)
def splat32(typing: Any, number: Any) -> Any:
    """Return the vector with ``number`` (taken as 32 bits) in each half of every lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first = builder.insert_element(ir.Constant(_D_VECTOR, ir.Undefined), args[0], _I32(0))
        zeros = ir.Constant(ir.VectorType(_I32, 2 * LANES), [0] * (2 * LANES))
        return builder.bitcast(builder.shuffle_vector(first, first, zeros), _VECTOR)

    return VECTOR(types.int32), generate


def _plain_dot_bytes(sums: Vector, unsigned: Vector, signed: Vector) -> Vector:
    products = unsigned.view(np.uint8).astype(np.int32) * signed.view(np.int8)
    return (sums.view(np.int32) + products.reshape(-1, 4).sum(axis=1, dtype=np.int32)).view(np.uint64)


@compiled_from(_plain_dot_bytes)
def dot_bytes(typing: Any, sums: Any, unsigned: Any, signed: Any) -> Any:
    """Add to each 32 bits of ``sums`` the products of the corresponding four bytes of the others, as integers."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        sums, unsigned, signed = args
        compiled_for = context.codegen().magic_tuple()[2]
        if "+avx512vnni" in compiled_for.split(","):
            # Newer LLVM declares byte operands, but still reads this older form.
            kind = ir.FunctionType(_D_VECTOR, [_D_VECTOR] * 3)
            function = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512.vpdpbusd.512")
            return builder.bitcast(builder.call(function, [builder.bitcast(x, _D_VECTOR) for x in args]), _VECTOR)
        wide = ir.VectorType(ir.IntType(16), _BYTES)
        a = builder.zext(builder.bitcast(unsigned, _B_VECTOR), wide)
        b = builder.sext(builder.bitcast(signed, _B_VECTOR), wide)
        total = builder.bitcast(sums, _D_VECTOR)
        for place in range(4):
            lanes = ir.Constant(_D_VECTOR, [4 * lane + place for lane in range(2 * LANES)])
            x, y = (builder.sext(builder.shuffle_vector(z, z, lanes), _D_VECTOR) for z in (a, b))
            total = builder.add(total, builder.mul(x, y))
        return builder.bitcast(total, _VECTOR)

    return VECTOR(VECTOR, VECTOR, VECTOR), generate


def _plain_at_least32(a: Vector, b: Vector) -> int:
    return int(np.packbits(a.view(np.int32) >= b.view(np.int32), bitorder="little").view(np.uint16)[0])


@compiled_from(_plain_at_least32)
def at_least32(typing: Any, a: Any, b: Any) -> Any:
    """Return an int64 with bit l set where the l-th of sixteen 32-bit integers of ``a`` is at least that of ``b``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        flags = builder.icmp_signed(">=", *(builder.bitcast(x, _D_VECTOR) for x in args))
        return builder.zext(builder.bitcast(flags, ir.IntType(2 * LANES)), _I64)

    return types.int64(VECTOR, VECTOR), generate


def _plain_sum32(vector: Vector) -> int:
    return int(vector.view(np.int32).sum(dtype=np.int32))


@compiled_from(_plain_sum32)
def sum32(typing: Any, vector: Any) -> Any:
    """Return the sum of the sixteen 32-bit integers of a vector; it must fit 32 bits."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(_I32, [_D_VECTOR])
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.add.v{2 * LANES}i32")
        return builder.sext(builder.call(function, [builder.bitcast(args[0], _D_VECTOR)]), _I64)

    return types.int64(VECTOR), generate


def _plain_sum64(vector: Vector) -> int:
    return int(vector.view(np.int64).sum(dtype=np.int64))


@compiled_from(_plain_sum64)
def sum64(typing: Any, vector: Any) -> Any:
    """Return the sum of a vector's lanes as signed integers; it must fit 64 bits."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(_I64, [_VECTOR])
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.add.v{LANES}i64")
        return builder.call(function, [args[0]])

    return types.int64(VECTOR), generate


def _plain_scale_lanes(
    counts: Vector, slope: Any, shift: Any, scale: Any, offset: Any, at: int, base: Any, least: Any, scores: Any
) -> int:
    eight = slice(at, at + LANES)
    own = (counts.view(np.int64).astype(np.float32) * slope + shift) * scale[eight] + offset[eight]
    scores[:LANES] = (own + base) + np.float32(0)
    return int(np.packbits(scores[:LANES] >= least, bitorder="little")[0])


@compiled_from(_plain_scale_lanes)
def scale_lanes(
    typing: Any,
    counts: Any,
    slope: Any,
    shift: Any,
    scale: Any,
    offset: Any,
    at: Any,
    base: Any,
    least: Any,
    scores: Any,
) -> Any:
    """Convert lanes to float32 scores; return an int64 with bit l set where the score of lane l is at least ``least``.

    Lane l becomes ``((count * slope + shift) * scale[at + l] + offset[at + l]) + base``, with every step rounded and -0
    turned into 0, and is written to ``scores[l]``. The arrays are pointers to float32.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        counts, slope, shift, scale, offset, at, base, least, scores = args

        def everywhere(number: Any) -> Any:
            first = builder.insert_element(ir.Constant(_F_VECTOR, ir.Undefined), number, _I32(0))
            return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES))

        def eight(base_pointer: Any) -> Any:
            return builder.load(builder.bitcast(builder.gep(base_pointer, [at]), _F_VECTOR.as_pointer()), align=4)

        x = builder.sitofp(counts, _F_VECTOR)
        x = builder.fadd(builder.fmul(x, everywhere(slope)), everywhere(shift))
        x = builder.fadd(builder.fadd(builder.fmul(x, eight(scale)), eight(offset)), everywhere(base))
        x = builder.fadd(x, ir.Constant(_F_VECTOR, [0.0] * LANES))
        builder.store(x, builder.bitcast(scores, _F_VECTOR.as_pointer()), align=4)
        return builder.zext(builder.bitcast(builder.fcmp_ordered(">=", x, everywhere(least)), _I8), _I64)

    f32 = types.float32
    return types.int64(VECTOR, f32, f32, scale, offset, types.intp, f32, f32, scores), generate


def aligned_zeros(words: int) -> Words:
    """Return a flat array of zero words that starts on a cache line, so that no vector load spans two."""
    buffer = np.zeros(words + LANES, dtype=np.uint64)
    skip = -buffer.ctypes.data % 64 // 8
    return buffer[skip : skip + words]
