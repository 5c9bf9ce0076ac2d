"""Inverted file: rows in lists by their nearest centroid; a query probes the lists of its nearest centroids.

Centroids are means of codes, found by spherical k-means on components of +1 and -1. They are rounded to small integers,
so that dot products are exact and a code goes to the same list on every machine.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.checks import integer
from hdc.errors import FileFormatError
from hdc.kernels import SearchKernels
from hdc.search.codes import CELLS, CodeRows, candidates_of, joined
from hdc.search.kmeans import as_bytes, sampled, spherical_means
from hdc.search.list_files import ListFile
from hdc.search.measures import Distances, Hamming, Ids, Measure
from hdc.search.options import IVFOptions
from hdc.search.partition import FEW_ROWS, Grouping, Partition
from hdc.store import Snapshot
from hdc.words import Words, pack, unpack

LAYOUT = "planes-1"
"""Layout of lists in files, for every backend: the first plane of each code, row by row."""

PART = 1 << 20
"""Dot products per block (8 MiB)."""


@dataclass
class Coarse:
    """The centroids of IVF lists.

    Attributes
    ----------
    kernels : SearchKernels
    centroids : (lists, dim) int8 array
    """

    kernels: SearchKernels
    centroids: npt.NDArray[np.int8]

    def __post_init__(self) -> None:
        lists = len(self.centroids)
        bits = np.unpackbits(self.centroids.view(np.uint8)[:, :, None], axis=2)
        self._planes = pack(bits.astype(bool).transpose(0, 2, 1))
        self._middle = np.arange(lists) + lists * self.centroids.sum(axis=1, dtype=np.int64)

    def nearest(self, codes: Words, count: int) -> Ids:
        """Return the ``count`` nearest lists of each of (n, words) codes, nearest first: ``(n, count)``.

        With components of +1 and -1, the dot product with a centroid is twice the sum of its components where the code
        has set bits, less the sum of all. Ties go to the lower list.
        """
        lists = len(self.centroids)
        out = np.empty((len(codes), count), dtype=np.int64)
        for start in range(0, len(codes), step := max(1, PART // lists)):
            keys = self.kernels.plane_sums(codes[start : start + step], self._planes)
            keys *= -2 * lists
            keys += self._middle
            if count == 1:
                keys = keys.min(axis=1, keepdims=True)
            elif count < lists:
                keys = np.partition(keys, count - 1, axis=1)[:, :count]
            keys.sort(axis=1)
            out[start : start + step] = keys % lists
        return out

    @classmethod
    def of_codes(cls, kernels: SearchKernels, codes: Words, dim: int) -> "Coarse":
        """Use codes as centroids."""
        return cls(kernels, as_bytes(_signs(codes, dim)))

    def to_json(self) -> dict[str, Any]:
        """Return the centroids as JSON values."""
        return {"shape": self.centroids.shape, "base64": base64.b64encode(self.centroids.tobytes()).decode()}

    @classmethod
    def from_json(cls, kernels: SearchKernels, state: dict[str, Any]) -> "Coarse":
        """Rebuild from the JSON values of :meth:`to_json`.

        Raises
        ------
        FileFormatError
            If they are not a matrix of bytes.
        """
        try:
            content = base64.b64decode(state["base64"], validate=True)
            centroids = np.frombuffer(content, dtype=np.int8).reshape(state["shape"])
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"the centroids of the lists are damaged ({error}); restore the index") from None
        if centroids.ndim != 2 or len(centroids) == 0:
            raise FileFormatError(f"the centroids of the lists have shape {centroids.shape}; restore the index")
        return cls(kernels, centroids)


def train(kernels: SearchKernels, codes: Words, dim: int, lists: int, seed: int) -> Coarse:
    """Find centroids by spherical k-means.

    Parameters
    ----------
    kernels : SearchKernels
    codes : (n, words) uint64 array
    dim, lists, seed : int

    Raises
    ------
    ParameterError
        If there are fewer codes than lists.
    """
    rng = np.random.default_rng(integer(seed, "seed", 0))
    sample = codes[sampled(len(codes), lists, rng)]

    def nearest_of(directions: npt.NDArray[np.int8]) -> Ids:
        return Coarse(kernels, directions).nearest(sample, 1)[:, 0]

    return Coarse(kernels, spherical_means(len(sample), lists, lambda rows: _signs(sample[rows], dim), nearest_of, rng))


def _signs(codes: Words, dim: int) -> npt.NDArray[np.float32]:
    """Unpack codes to +1 and -1."""
    signs: npt.NDArray[np.float32] = unpack(codes, dim).astype(np.float32)
    signs *= 2
    signs -= 1
    return signs


def _signs_of(arrays: Mapping[str, npt.NDArray[Any]]) -> Words:
    """Return the signs stored in a file of lists."""
    signs: Words = arrays["signs"]
    if signs.dtype != np.uint64 or signs.ndim != 2:
        raise FileFormatError("the file of lists contains no signs; remove it to build the lists again")
    return signs


class Lists:
    """The searcher of codes in IVF lists; codes of several planes are found by the first plane, then compared.

    Training stores the centroids in the meta of the store.

    Parameters
    ----------
    measure : Measure
    folder : Path, optional
        Folder where lists are stored in a file.
    """

    kind = "ivf"

    def __init__(self, measure: Measure, folder: Path | None = None) -> None:
        self.measure = measure
        self.file: ListFile | None = None
        if folder is not None:
            # The file need not store the centroids: a column of the same edition has each row's list.
            self.file = ListFile(folder, LAYOUT, f"{measure.dim} bits", lambda held: {"signs": held}, _signs_of)
        self._read: tuple[str, Coarse | None] = "", None
        """The meta text that centroids were last read from, and these centroids."""

    def coarse(self, snapshot: Snapshot) -> Coarse | None:
        """Return the centroids that a store was trained to, or None before training.

        Raises
        ------
        FileFormatError
            If they are damaged.
        """
        text, coarse = self._read
        if text != snapshot.state.meta:
            state = snapshot.meta.get("coarse")
            coarse = None if state is None else Coarse.from_json(self.measure.kernels, state)
            if coarse is not None and coarse.centroids.shape[1] != self.measure.dim:
                width = coarse.centroids.shape[1]
                raise FileFormatError(f"the centroids of the lists have {width} components, not {self.measure.dim}")
            self._read = snapshot.state.meta, coarse
        return coarse

    def prepared(self, snapshot: Snapshot, previous: "ListRows | None") -> "ListRows":
        """Group the rows by list, reusing the groups of ``previous`` for rows that are not new."""
        coarse = self.coarse(snapshot)
        rows = CodeRows.of(snapshot, self.measure)

        def first_planes(chosen: Ids, starts: Ids) -> Words:
            return np.ascontiguousarray(rows.codes[chosen, 0])

        before = None if previous is None else previous.partition
        lists = 0 if coarse is None else len(coarse.centroids)
        cells = snapshot.rows(CELLS)[:, 0]
        grouping = Grouping(snapshot, lists, cells.__getitem__, first_planes)
        return ListRows(rows, coarse, Partition.of(grouping, before, None if self.file is None else self.file.read))


@dataclass(frozen=True, eq=False)
class ListRows:
    """A snapshot prepared for search in IVF lists."""

    rows: CodeRows
    coarse: Coarse | None
    partition: Partition

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot that is searched."""
        return self.rows.snapshot

    @property
    def dtype(self) -> type[np.generic]:
        """Type of the distances."""
        return self.rows.measure.dtype

    def search(self, queries: Words, k: int, options: IVFOptions, allowed: Ids | None = None) -> tuple[Distances, Ids]:
        """Search the nearest lists; with few allowed rows, compare all of these."""
        if self.coarse is None or (allowed is not None and len(allowed) <= FEW_ROWS):
            return self.rows.scan(queries, np.empty(0, np.int64) if allowed is None else allowed, k)
        if isinstance(self.rows.measure, Hamming):
            return self._first(queries, k, options.probes, allowed)
        first = candidates_of(options, k, len(self.snapshot))
        return self.rows.compare(queries, self._first(queries, first, options.probes, allowed)[1], k)

    def _first(self, queries: Words, k: int, probes: int, allowed: Ids | None) -> tuple[Distances, Ids]:
        """Return the k nearest rows by differing bits of the first plane."""
        assert self.coarse is not None
        signs = np.ascontiguousarray(queries[:, 0])
        lists = self.coarse.nearest(signs, min(probes, len(self.coarse.centroids)))
        top_k = self.rows.measure.kernels.top_k_lists
        parts = self.partition.among(allowed)[0]
        found = [top_k(signs, p.held, p.ids[: len(p.held)], p.starts, lists, k) for p in parts]
        return found[0] if len(found) == 1 else joined(found, k)
