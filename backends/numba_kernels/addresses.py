"""Arrays by their addresses: a compiled call that is given one record of many arrays costs what one array costs.

Unboxing an array takes Numba some 80 ns, which a search of one query would pay for twenty of them. A record
(:func:`record`) names the address and the size of each array that was prepared in advance; compiled code turns them to
arrays again. Whoever makes a record keeps the arrays alive as long as it.
"""

import ctypes
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types
from numba.core import cgutils

from hdc.backends.numba_kernels.jit import compiled_from

Record = npt.NDArray[np.void]
"""An array of records, which compiled code reads as ``record[0]["name"]``."""


def _plain_array_at(address: Any, size: Any, dtype: Any) -> Any:
    count = int(size) * np.dtype(dtype).itemsize
    if not count:
        return np.empty(0, dtype=dtype)
    return np.frombuffer((ctypes.c_byte * count).from_address(int(address)), dtype=dtype)


@compiled_from(_plain_array_at)
def array_at(typing: Any, address: Any, size: Any, dtype: Any) -> Any:
    """Return the flat array of ``size`` elements at an address, which owns nothing."""
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


def record(numbers: Mapping[str, float], arrays: Mapping[str, npt.NDArray[Any]]) -> Record:
    """Return one record of numbers, and of the address and the size of each array, as ``name`` and ``name_size``.

    Parameters
    ----------
    numbers : mapping of names to int or float
    arrays : mapping of names to C-contiguous arrays
    """
    values: dict[str, float] = dict(numbers)
    for name, array in arrays.items():
        values |= {name: array.ctypes.data, f"{name}_size": array.size}
    made = np.zeros(
        1, dtype=[(name, np.float64 if isinstance(value, float) else np.int64) for name, value in values.items()]
    )
    made[0] = tuple(values.values())
    return made


def addresses(*names: str) -> np.dtype[np.void]:
    """Return the type of a record of so many arrays and no numbers, for records that others have the address of."""
    return np.dtype([(field, np.int64) for name in names for field in (name, f"{name}_size")])
