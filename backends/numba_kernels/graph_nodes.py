"""The nodes of a graph over RaBitQ codes, as walks read them: a record of each, and links."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.arrays import NOTHING, AnyArray, frozen
from hdc.backends.numba_kernels.simd import LANES, aligned_zeros
from hdc.backends.numba_kernels.walk import NODE
from hdc.errors import FileFormatError, ParameterError
from hdc.kernels import MOST_LINKS, Links
from hdc.words import Words

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

BEYOND = 2
"""Words of a record behind its signs: scale and offset; the list, and where the links are."""


class GraphNodes:
    """Records of nodes, and their links; see :class:`hdc.kernels.GraphNodes`.

    A record is the words of the signs, zeros up to whole vectors, and two words more. Links are a number, that many
    nodes, and the same of the next node.
    """

    LAYOUT = "graph-1"

    def __init__(self, signs: Words, scale: Floats, offset: Floats, cells: Ints, links: Links, entries: Ints) -> None:
        n, words = signs.shape
        width = -(-(words + BEYOND) // LANES) * LANES
        if n + len(links.nodes) >= 1 << 32 or n > NODE:
            raise ParameterError(f"a graph has fewer than 2**32 links, and this one has {len(links.nodes)}")
        records = aligned_zeros(n * width)
        rows = records.reshape(n, width)
        rows[:, :words] = signs
        factors, halves = rows.view(np.float32)[:, -4:-2], rows.view(np.uint32)[:, -2:]
        factors[:, 0], factors[:, 1] = scale, offset
        begins = links.starts[:-1] + np.arange(n)
        halves[:, 0], halves[:, 1] = cells, begins
        listed = np.insert(links.nodes, links.starts[:-1], np.diff(links.starts).astype(np.uint32))
        self._hold(records, listed, entries, n)

    def _hold(self, records: Words, links: npt.NDArray[np.uint32], entries: Ints, n: int) -> None:
        self._n, self.width = n, len(records) // max(1, n)
        self._arrays: dict[str, AnyArray] = {
            "records": frozen(records, np.uint64, len(records)),
            "links": frozen(links, np.uint32, len(links)),
            "entries": frozen(entries, np.int64, len(entries)),
        }

    @classmethod
    def restored(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Take arrays back; see :class:`hdc.kernels.GraphKernels`."""
        records, links, entries = (arrays.get(name, NOTHING) for name in ("records", "links", "entries"))
        forms = [(array.dtype.str, array.ndim) for array in (records, links, entries)]
        n = int(arrays["count"][0]) if "count" in arrays and len(arrays["count"]) == 1 else 0
        if forms == [("<u8", 1), ("<u4", 1), ("<i8", 1)] and n > 0 and len(records) % (n * LANES) == 0 and len(records):
            begins = records.view(np.uint32).reshape(n, -1)[:, -1].astype(np.int64)
            counts = np.diff(np.append(begins, len(links))) - 1
            numbers = np.zeros(len(links), dtype=bool)
            if begins[0] == 0 and counts.min() >= 0 and counts.max() <= MOST_LINKS:
                numbers[begins] = True
                sound = np.array_equal(links[begins], counts) and (links[~numbers] < n).all()
                if sound and len(entries) and entries.min() >= -1 and 0 <= entries.max() < n:
                    made = cls.__new__(cls)
                    made._hold(records, links, entries, n)
                    return made
        raise FileFormatError("the arrays of the graph do not belong together")

    def __len__(self) -> int:
        return self._n

    @property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What it is made of."""
        return {**self._arrays, "count": np.array([self._n])}

    @property
    def cells(self) -> npt.NDArray[np.uint32]:
        """The list of each node."""
        halves: npt.NDArray[np.uint32] = self._arrays["records"].view(np.uint32).reshape(self._n, -1)[:, -2]
        return halves
