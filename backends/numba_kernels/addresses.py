"""Arrays by their addresses: passing one record of many arrays to a compiled call costs as much as passing one array.

Numba needs about 80 ns to unbox an array, and a search of one query would unbox twenty. A record (:func:`record`)
stores the addresses and sizes of arrays that were prepared in advance, and compiled code turns them into arrays again.
Compiled code receives the address of the record too, because a record takes longer to unbox than an array. Keep the
record and the arrays alive as long as they are used.
"""

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types
from numba.core import cgutils

from hdc.backends.numba_kernels.jit import compiled_from

LINE = 64
"""Bytes of a cache line."""

Record = npt.NDArray[np.void]
"""An array of one record, which compiled code reads as ``array_at(address, 1, kind)[0]["name"]``."""


def _plain_array_at(address: Any, size: Any, dtype: Any) -> Any:
    count = int(size) * np.dtype(dtype).itemsize
    if not count:
        return np.empty(0, dtype=dtype)
    return np.frombuffer((ctypes.c_byte * count).from_address(int(address)), dtype=dtype)


@compiled_from(_plain_array_at)
def array_at(typing: Any, address: Any, size: Any, dtype: Any) -> Any:
    """Return the flat array of ``size`` elements at an address; it does not own the memory."""
    kind = types.Array(dtype.dtype, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(kind)(context, builder)
        element = context.get_data_type(kind.dtype)
        itemsize = context.get_constant(types.intp, context.get_abi_sizeof(element))
        data = builder.inttoptr(args[0], element.as_pointer())
        context.populate_array(
            array,
            data=data,
            shape=cgutils.pack_array(builder, [args[1]]),
            strides=cgutils.pack_array(builder, [itemsize]),
            itemsize=itemsize,
            meminfo=None,
        )
        return array._getvalue()

    return kind(types.int64, types.int64, dtype), generate


def record_type(integers: Sequence[str] = (), floats: Sequence[str] = (), arrays: Sequence[str] = ()) -> Any:
    """Return the type of a record of numbers, and of the address and the size of arrays, ``name`` and ``name_size``."""
    fields = [(name, np.int64) for name in integers] + [(name, np.float64) for name in floats]
    return np.dtype(fields + [(field, np.int64) for name in arrays for field in (name, f"{name}_size")])


def record(kind: Any, numbers: Mapping[str, float], arrays: Mapping[str, npt.NDArray[Any]]) -> Record:
    """Return one record.

    Parameters
    ----------
    kind : dtype
        Of :func:`record_type`.
    numbers : mapping of names to int or float
    arrays : mapping of names to C-contiguous arrays
    """
    values: dict[str, float] = dict(numbers)
    for name, array in arrays.items():
        values |= {name: array.ctypes.data, f"{name}_size": array.size}
    made = np.zeros(1, dtype=kind)
    made[0] = tuple(values[name] for name in kind.names)
    return made


def with_arrays(given: Record, arrays: Mapping[str, npt.NDArray[Any]]) -> Record:
    """Return a copy of a record that has other arrays of these names."""
    made = given.copy()
    for name, array in arrays.items():
        made[name], made[f"{name}_size"] = array.ctypes.data, array.size
    return made


def laid_out(sizes: Mapping[str, int], begin: int = 0) -> dict[str, int]:
    """Return where arrays of so many bytes lie in one allocation, each on cache lines of its own; ``space`` is the end.

    Examples
    --------
    >>> laid_out({"x": 100, "y": 8})
    {'x': 0, 'y': 128, 'space': 192}
    """
    places = {}
    for name, size in sizes.items():
        places[name] = begin
        begin += -(-size // LINE) * LINE
    return {**places, "space": begin}
