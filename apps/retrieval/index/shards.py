"""ShardedIndex: several indexes of one model that are searched as one, with ids of 64 bits."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np
import numpy.typing as npt

from hdc import checks
from hdc.apps.retrieval.binarizers import Binarizer
from hdc.apps.retrieval.binarizers.files import digest
from hdc.apps.retrieval.index.binary import Kind
from hdc.apps.retrieval.index.building import opened
from hdc.apps.retrieval.index.embedding import EmbeddingIndex
from hdc.apps.retrieval.index.encoding import Queries
from hdc.apps.retrieval.index.folders import MODEL_FOLDER
from hdc.apps.retrieval.index.pipeline import QUERY_BLOCK, WIDER
from hdc.apps.retrieval.vectors.rows import as_rows
from hdc.checks import integer
from hdc.dispatch import threads
from hdc.errors import ParameterError
from hdc.search.codes import candidates_of
from hdc.search.engine import Exact, Search
from hdc.search.estimates import EstimateRows
from hdc.search.measures import Distances
from hdc.search.options import FlatOptions, IVFOptions, Options
from hdc.search.shards import SHARD, Sharded, nearest, shard_paths
from hdc.store.state import MOST_ROWS

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
T = TypeVar("T")

ALONE = 1 << 22
"""Up to so many rows, times queries, are searched shard by shard: sooner done than threads begin."""


class ShardedIndex(Sharded[EmbeddingIndex]):
    """Several indexes of vectors, made with one model, that are searched as one.

    The id of a row is the offset of its shard and its id there; a shard holds up to 2**32 rows, and all of them as many
    as 64 bits can number. Open the shards with ``writable=True`` to add and remove rows and to compact; or open a shard
    by itself to add vectors, which :meth:`refresh` shows here. A search takes what each shard holds when it begins.

    A search finds what one index of all rows would: codes of all shards are put in one order, and the best
    ``candidates`` of all are compared again. Where a shard puts candidates in order by itself (codes of several levels
    in lists or a graph, RaBitQ codes of several bits a component), each shard takes as many as one index would, and
    finds at least as good ones. Scores by tables and by originals of floats are the same to their rounding.

    Parameters
    ----------
    shards : sequence of EmbeddingIndex
        Closed by :meth:`close`.
    offsets : sequence of int, optional
        The id that id 0 of each shard stands for, at most 2**62. Left out, what :func:`split` noted in all of them,
        or shard i begins at ``i * 2**32``.

    Raises
    ------
    ParameterError
        If there is none, or ids of two would be the same.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from hdc.apps.retrieval import EmbeddingIndex, ShardedIndex, SignBinarizer
    >>> x = np.random.default_rng(0).standard_normal((1000, 64)).astype(np.float32)
    >>> model, folder = SignBinarizer(256).fit(x), tempfile.mkdtemp()
    >>> for i in range(2):
    ...     with EmbeddingIndex.create(f"{folder}/shard-{i}", model) as shard:
    ...         _ = shard.add(x[500 * i : 500 * (i + 1)])
    >>> with ShardedIndex.open(folder) as index:
    ...     scores, ids = index.search(x[[7, 507]], k=1)
    >>> ids.ravel()
    array([         7, 4294967303])
    """

    KIND, ROW = EmbeddingIndex.KIND, EmbeddingIndex.ROW

    def __init__(self, shards: Sequence[EmbeddingIndex], offsets: Sequence[int] | None = None) -> None:
        self._join(shards, offsets)

    @classmethod
    def open(
        cls,
        paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        offsets: Sequence[int] | None = None,
        writable: bool = False,
        backend: str = "auto",
    ) -> Self:
        """Open indexes as one.

        Parameters
        ----------
        paths : path or sequence of paths
            Of indexes; or the folder in which :func:`split` put shards.
        offsets
            As :class:`ShardedIndex`.
        writable : bool
            Whether rows can be added and removed, and shards compacted; no other process can write then.
        backend : str
            As :meth:`EmbeddingIndex.open`.

        Raises
        ------
        ParameterError
            If there is none, one is given twice, or they differ in model, kind or originals.
        FileFormatError, BlockingIOError, OSError
            As :meth:`EmbeddingIndex.open`; also if a shard of a folder is missing.
        """
        places = shard_paths(paths)
        opened: list[EmbeddingIndex] = []
        try:
            for place in places:
                opened.append(EmbeddingIndex.open(place, writable=writable, backend=backend))
                _check_alike(opened, places)
            return cls(opened, offsets)
        except BaseException:
            for index in opened:
                index.close()
            raise

    # ------------------------------------------------------------------ reading

    @property
    def model(self) -> Binarizer:
        """What makes the codes."""
        return self.shards[0].model

    @property
    def kind(self) -> Kind:
        """Return how rows are searched."""
        return self.shards[0].kind

    @property
    def defaults(self) -> Options:
        """Return the options of a search that is given none: those of the first shard."""
        return self.shards[0].defaults

    @property
    def bytes_per_vector(self) -> int:
        """Bytes that a search may read of a vector."""
        return self.shards[0].bytes_per_vector

    # ------------------------------------------------------------------ changes

    def add(self, vectors: Any, keys: Sequence[str | None] | None = None) -> Ids:
        """Add vectors to one shard, all of them or, after an error, none; return their ids.

        That is the shard of the fewest rows among those that have ids left for all of them below the next shard's
        first; of several the last one. Of shards that :func:`split` made, it is the last one.

        Raises
        ------
        DTypeError, DimensionError, ParameterError, UnsupportedError, OSError
            As :meth:`EmbeddingIndex.add`; a key may be in any shard, and a batch larger than any shard has ids left.
        """
        self._check_writable()
        rows = as_rows(vectors, self.model.n_features_in_, "vectors")
        names = None if keys is None else checks.listed(keys, "keys")
        with self.store.changing() as snapshot:
            for name, row in zip(names or (), snapshot.find_all(names or ()), strict=True):
                if row is not None:
                    raise ParameterError(f"the key {name!r} is there already; remove its row first")
            at = self._roomiest(len(rows))
            return self.shards[at].add(rows, names) + self.offsets[at]

    def _roomiest(self, rows: int) -> int:
        """Return which shard is the smallest that so many rows fit in."""
        ends = [*self.offsets[1:], self.offsets[-1] + MOST_ROWS]
        begun = [at + shard.store.snapshot.state.next_id for shard, at in self._each()]
        fit = [at for at, (end, first) in enumerate(zip(ends, begun, strict=True)) if end - first >= rows]
        if not fit:
            raise ParameterError(f"no shard has ids left for {rows} rows; make another one, and open it with these")
        return min(fit, key=lambda at: (len(self.shards[at]), -at))

    # ------------------------------------------------------------------ search

    def search(
        self,
        queries: Any,
        k: int = 10,
        *,
        options: Options | None = None,
        among: npt.ArrayLike | None = None,
        candidates: int | None = None,
        probes: int | None = None,
        effort: int | None = None,
        prefix: int | None = None,
    ) -> tuple[Floats, Ids]:
        """Find the k nearest vectors of each query in all shards; see :meth:`EmbeddingIndex.search`."""
        first = self.shards[0]
        k = integer(k, "k", 1)
        chosen = first.chosen(k, options, candidates=candidates, probes=probes, effort=effort)
        rows = as_rows(queries, self.model.n_features_in_, "queries")
        allowed = None if among is None else self._split(np.unique(checks.ids(among)))
        engines = [shard.pipeline.engine_of(prefix) for shard in self.shards]
        begun = [engine.begin(k, chosen, None if allowed is None else allowed[at]) for at, engine in enumerate(engines)]
        counts = [_rows_of(search) for search in begun]
        hits = min(k, sum(counts))
        wanted = candidates_of(chosen, hits, sum(counts))
        left = [hits, wanted, min(WIDER * wanted, sum(counts))]
        asked = first.pipeline.encoding.queries(rows)
        parts = [
            _Part(shard, at, search._replace(k=min(hits, own)))
            for (shard, at), search, own in zip(self._each(), begun, counts, strict=True)
            if own
        ]
        scores, ids = np.empty((len(rows), hits), dtype=np.float32), np.empty((len(rows), hits), dtype=np.int64)
        for start in range(0, len(rows) if hits else 0, QUERY_BLOCK):
            block = slice(start, start + QUERY_BLOCK)
            some = asked.part(block)
            found = self._found(parts, some, left, prefix is not None)
            scores[block], ids[block] = first.pipeline.as_scores(*found, some, first.pipeline.exact(some))
        return scores, ids

    def _found(self, parts: list["_Part"], asked: Queries, counts: list[int], prefix: bool) -> tuple[Distances, Ids]:
        """Search all parts for a few queries; put what they find in one order, again after each step.

        The last step leaves the first of the counts, the step before it the second one, and so on.
        """
        queries: Any = self.shards[0].pipeline.asked(asked)
        work = len(queries) * sum(_rows_of(part.search) for part in parts)
        estimates, options = parts[0].search.prepared, parts[0].search.options
        everywhere = all(part.search.allowed is None for part in parts)
        if isinstance(estimates, EstimateRows) and isinstance(options, FlatOptions | IVFOptions) and everywhere:
            queries = estimates.asked(asked.mapped, options)
        steps = len(parts[0].steps(asked, prefix))
        if not steps:
            return nearest(_mapped(lambda part: part.run(queries), parts, work), counts[0])
        found = nearest(_mapped(lambda part: part.candidates(queries, counts[steps]), parts, work), counts[steps])
        for step in range(steps):
            numbers = np.sort(found[1], axis=1)
            compare = partial(_Part.compared, asked=asked, prefix=prefix, step=step, numbers=numbers)
            count = counts[steps - step - 1]
            found = nearest(_mapped(partial(compare, hits=count), parts, work), count)
        return found

    # ------------------------------------------------------------------ ids

    def _each(self) -> "zip[tuple[EmbeddingIndex, int]]":
        return zip(self.shards, self.offsets, strict=True)

    def _split(self, ids: Ids) -> list[Ids]:
        """Return which ids each shard has, as its own; raises ParameterError if there is no row of one."""
        self._check_ids(ids)
        owners = self.store.snapshot.owners(ids)
        return [ids[owners == at] - offset for at, offset in enumerate(self.offsets)]


class _Part(NamedTuple):
    """The search of one shard."""

    shard: EmbeddingIndex
    offset: int
    search: Search

    def run(self, queries: Any) -> tuple[Distances, Ids]:
        """Return the nearest rows and their ids among all."""
        return self._numbered(*self.search.run(queries))

    def candidates(self, queries: Any, wanted: int) -> tuple[Distances, Ids]:
        """Return what a step may compare again."""
        search = self.search
        wanted = min(wanted, _rows_of(search))
        options = replace(search.options, candidates=wanted)
        return self._numbered(*search.prepared.search(queries, wanted, options, search.allowed))

    def steps(self, asked: Queries, prefix: bool) -> list[Exact]:
        """Return what compares candidates again."""
        return self.shard.pipeline.steps(asked, self.search.prepared.snapshot, prefix)

    def compared(self, asked: Queries, prefix: bool, step: int, numbers: Ids, hits: int) -> tuple[Distances, Ids]:
        """Return the nearest of those candidates, ascending ids among all, that are the shard's, by a step."""
        end = self.offset + self.search.prepared.snapshot.state.next_id
        first, last = ((numbers < edge).sum(axis=1)[:, None] for edge in (self.offset, end))
        width = int((last - first).max(initial=0))
        places = first + np.arange(width)
        own = np.take_along_axis(numbers, np.minimum(places, numbers.shape[1] - 1), axis=1) - self.offset
        own = np.where(places < last, own, -1)
        if not width:
            return np.empty(own.shape, np.float32), own
        exact = self.steps(asked, prefix)[step]
        return self._numbered(*self.search._replace(k=min(hits, width)).compared(own, exact))

    def _numbered(self, distances: Distances, ids: Ids) -> tuple[Distances, Ids]:
        return distances, np.where(ids < 0, -1, ids + self.offset)


def searched(path: str | os.PathLike[str], *, backend: str = "auto") -> EmbeddingIndex | ShardedIndex:
    """Open an index, or a folder of shards, for reading; raises as both do."""
    places = shard_paths(path)
    if len(places) == 1 and not places[0].name.startswith(SHARD):
        return opened(path, backend=backend)
    return ShardedIndex.open(path, backend=backend)


def _check_alike(opened: Sequence[EmbeddingIndex], places: Sequence[Path]) -> None:
    """Raise ParameterError if the last index is no shard of what the first one is of."""
    first, last, place = opened[0], opened[-1], places[len(opened) - 1]
    if digest(places[0] / MODEL_FOLDER) != digest(place / MODEL_FOLDER):
        raise ParameterError(f"{place} was made with another model than {places[0]}; index its vectors with that")
    if (first.codes.kind, first.codes.originals) != (last.codes.kind, last.codes.originals):
        raise ParameterError(f"{place} is of another kind, or keeps other originals, than {places[0]}")


def _rows_of(search: Search) -> int:
    """Return how many rows a search may find."""
    return len(search.prepared.snapshot) if search.allowed is None else len(search.allowed)


def _mapped(call: Callable[[_Part], T], parts: Sequence[_Part], work: int) -> list[T]:
    """Return the results of a call for each part, in threads where that pays."""
    workers = min(len(parts), threads())
    if workers == 1 or work <= ALONE:
        return [call(part) for part in parts]
    with ThreadPoolExecutor(workers, thread_name_prefix="shard") as pool:
        return list(pool.map(call, parts))
