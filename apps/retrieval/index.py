"""BinaryIndex: packed binary codes in memory, searched exactly by Hamming distance."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.errors import DimensionError, ParameterError
from hdc.kernels import Array
from hdc.registry import backend as find_backend
from hdc.words import word_count


class BinaryIndex:
    """Exact nearest neighbours of binary codes.

    Parameters
    ----------
    dim : int
        Bits of a code, at least 1.
    backend : str
        ``"auto"`` or one of :func:`hdc.backends`. The compiled backend keeps codes as bit-planes: the memory of
        the packed codes and a hundredth more, whatever their number.
    device : str
        Of the backend. Codes, queries and answers are the backend's arrays there.

    Examples
    --------
    >>> import hdc
    >>> from hdc.apps.retrieval import BinaryIndex
    >>> codes = hdc.MAPB(256).symbols(range(1000))
    >>> index = BinaryIndex(256)
    >>> index.add(codes)[-1]
    np.int64(999)
    >>> distances, ids = index.search(codes[[5, 7]], k=1)
    >>> distances.tolist(), ids.tolist()
    ([[0], [0]], [[5], [7]])
    """

    def __init__(self, dim: int, *, backend: str = "auto", device: str = "cpu") -> None:
        if isinstance(dim, bool) or not isinstance(dim, int | np.integer) or dim < 1:
            raise ParameterError(f"dim must be an integer of at least 1, not {dim!r}")
        self.dim = int(dim)
        self._kernels = find_backend(backend, device)
        self._index = self._kernels.bits.search_index(word_count(self.dim))

    def __len__(self) -> int:
        return len(self._index)

    def __repr__(self) -> str:
        return f"BinaryIndex(dim={self.dim}, {len(self)} codes)"

    def add(self, codes: Any) -> npt.NDArray[np.int64]:
        """Add codes and return the ids they were given.

        Parameters
        ----------
        codes : (n, words) uint64 array
            Packed as by :func:`hdc.words.pack`.

        Returns
        -------
        (n,) int64 array
            ``len(index)`` before the call, and on.

        Raises
        ------
        DTypeError, DeviceError, DimensionError, PaddingError
            If the codes are not packed words of this dimension; nothing is added then.
        """
        rows = self._checked(codes, "codes")
        first = len(self)
        self._index.append(rows)
        return np.arange(first, len(self), dtype=np.int64)

    def search(self, queries: Any, k: int = 10) -> tuple[Array, Array]:
        """Find the k codes nearest to each query, exactly.

        Parameters
        ----------
        queries : (q, words) uint64 array
        k : int
            At least 1; at most ``len(index)`` results come back.

        Returns
        -------
        distances : (q, min(k, len)) int32 array
            Differing bits, ascending.
        ids : (q, min(k, len)) int64 array
            Of equal distances the lower id comes first.

        Raises
        ------
        DTypeError, DimensionError, PaddingError
            As :meth:`add`.
        ParameterError
            If k is less than 1.
        """
        rows = self._checked(queries, "queries")
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise ParameterError(f"k must be an integer of at least 1, not {k!r}")
        k = min(int(k), len(self))
        if k == 0:
            xp, none = self._kernels.xp, (len(rows), 0)
            return xp.empty(none, dtype=xp.int32, device=rows.device), xp.empty(
                none, dtype=xp.int64, device=rows.device
            )
        return self._index.search(rows, k)

    def _checked(self, codes: Any, what: str) -> Array:
        rows = self._kernels.arrays.check_words(codes, self.dim, what)
        if rows.ndim != 2:
            raise DimensionError(f"{what} must have shape (n, {word_count(self.dim)}), not {tuple(rows.shape)}")
        return rows
