"""Compilation of kernels: one decorator, and machine operations that Python has no operator for."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba import types
from numba.core import cgutils, config
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])

PLAIN_PYTHON: bool = config.DISABLE_JIT  # from the environment


def _compiled(function: Function, **options: Any) -> Function:
    """Compile as :func:`kernel`, with one form for a constant and a variable of the same type.

    Where a kernel passes a constant to another kernel, Numba compiles that one for the value, and again for its type.
    One form is as fast, and ``hdc demo`` compiles 88 forms instead of 126, in 30 s of processor time instead of 47.
    """
    dispatcher = numba.njit(cache=True, nogil=True, error_model="numpy", **options)(function)
    of_types = dispatcher.get_call_template

    def get_call_template(args: Any, kws: Any) -> Any:
        plain = {name: types.unliteral(kind) for name, kind in kws.items()}
        return of_types(tuple(types.unliteral(kind) for kind in args), plain)

    dispatcher.get_call_template = get_call_template
    return cast(Function, dispatcher)


def kernel(function: Function) -> Function:
    """Compile on first use, without the GIL, and cache the machine code on disk.

    With ``NUMBA_DISABLE_JIT=1`` the function stays Python. There NumPy's scalars warn about wrap-around, which is
    intended in unsigned arithmetic, so this warning is switched off.

    Kernels copy arrays element by element, because ``a[:] = b`` takes Numba about two seconds to compile.
    """
    if PLAIN_PYTHON:
        return np.errstate(over="ignore")(function)
    return _compiled(function)


def summing(function: Function) -> Function:
    """Compile as :func:`kernel`, but allow float sums in any order, which vectorizes them."""
    if PLAIN_PYTHON:
        return function
    freely = {"reassoc", "contract", "nsz"}
    return _compiled(function, fastmath=freely)


def inlined(function: Function) -> Function:
    """Inline into each kernel that calls it; use it for the steps of an innermost loop."""
    if PLAIN_PYTHON:
        return function
    return _compiled(function, forceinline=True)


def compiled_from(plain: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate the typing function of an operation that Python has no operator for.

    Parameters
    ----------
    plain : function
        Python version of the operation, used where nothing is compiled.
    """
    return (lambda typing_function: plain) if PLAIN_PYTHON else intrinsic(prefer_literal=True)


def _plain_popcount(word: Any) -> Any:
    return np.int64(int(word).bit_count())


@compiled_from(_plain_popcount)
def popcount(typing: Any, word: Any) -> Any:
    """Return the number of set bits of a uint64, as int64; LLVM's ``ctpop``, a vector instruction in loops."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), generate


def _plain_multiply_wide(a: Any, b: Any) -> Any:
    product = int(a) * int(b)
    return np.uint64(product >> 64), np.uint64(product & (2**64 - 1))


@compiled_from(_plain_multiply_wide)
def multiply_wide(typing: Any, a: Any, b: Any) -> Any:
    """Return the (high, low) halves of the 128-bit product of two uint64."""
    pair = types.UniTuple(types.uint64, 2)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = args[0].type
        wide = type(word)(128)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        high = builder.trunc(builder.lshr(product, wide(64)), word)
        return context.make_tuple(builder, pair, [high, builder.trunc(product, word)])

    return pair(types.uint64, types.uint64), generate


def _item_pointer(context: Any, builder: Any, kind: Any, array: Any, indices: Any) -> Any:
    view = context.make_array(kind)(context, builder, array)
    return cgutils.get_item_pointer(context, builder, kind, view, indices, wraparound=False)


def _poked_memory(builder: Any) -> Any:
    """Return the LLVM alias scope of everything that :func:`poke` writes."""
    domain = builder.module.add_metadata(["hdc"])
    return builder.module.add_metadata([builder.module.add_metadata(["poked", domain])])


def _plain_peek(array: Any, row: Any, column: Any) -> Any:
    return array[row, column]


@compiled_from(_plain_peek)
def peek(typing: Any, array: Any, row: Any, column: Any) -> Any:
    """Return ``array[row, column]`` from memory that no :func:`poke` of the same loop writes.

    Numba cannot declare that arrays do not overlap, and LLVM does not vectorize a loop that needs more than eight
    overlap checks. These two functions declare it. Indices must not be negative.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        load = builder.load(_item_pointer(context, builder, array, args[0], args[1:]))
        load.set_metadata("noalias", _poked_memory(builder))
        return load

    return array.dtype(array, types.intp, types.intp), generate


def _plain_poke(array: Any, row: Any, column: Any, value: Any) -> None:
    array[row, column] = value


@compiled_from(_plain_poke)
def poke(typing: Any, array: Any, row: Any, column: Any, value: Any) -> Any:
    """Write ``array[row, column]`` in memory that no :func:`peek` of the same loop reads."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        store = builder.store(args[3], _item_pointer(context, builder, array, args[0], args[1:3]))
        store.set_metadata("alias.scope", _poked_memory(builder))
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, array.dtype), generate
