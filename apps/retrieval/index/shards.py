"""ShardedIndex: several indexes of one model, searched as one, with 64-bit ids."""

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
"""Up to this many rows times queries, shards are searched one by one, which is faster than starting threads."""


class ShardedIndex(Sharded[EmbeddingIndex]):
    """Several indexes of vectors, created with one model and searched as one.

    The id of a row is the offset of its shard plus its id there. A shard has at most 2**32 rows; the total is limited
    only by 64-bit ids. Open the shards with ``writable=True`` to add and remove rows and to compact. You can also open
    a single shard to add vectors; :meth:`refresh` then shows them here. A search sees the rows of each shard at its
    start.

    A search finds what one index of all rows would find: the codes of all shards are ranked together, and the best
    ``candidates`` overall are compared again. Some codes let each shard rank its own candidates: codes of several
    levels in lists or a graph, and RaBitQ codes of several bits per component. Each shard then takes as many as one
    index would, so results are at least as good. Scores by tables and by float originals are equal up to rounding.

    Parameters
    ----------
    shards : sequence of EmbeddingIndex
        :meth:`close` closes them.
    offsets : sequence of int, optional
        Offsets of the ids of each shard, at most 2**62. The default is what :func:`split` stored in all of them, or
        ``i * 2**32`` for shard i.

    Raises
    ------
    ParameterError
        If there are no shards, or ids of two shards would overlap.

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
            Folders of indexes, or one folder with the shards of :func:`split`.
        offsets
            As in :class:`ShardedIndex`.
        writable : bool
            Open for adding, removing and compacting. No other process can then write.
        backend : str
            As in :meth:`EmbeddingIndex.open`.

        Raises
        ------
        ParameterError
            If there is no index, one occurs twice, or they differ in model, kind or originals.
        FileFormatError, BlockingIOError, OSError
            As in :meth:`EmbeddingIndex.open`; also if a shard of a folder is missing.
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
        """The model that makes the codes."""
        return self.shards[0].model

    @property
    def kind(self) -> Kind:
        """Kind of the shards."""
        return self.shards[0].kind

    @property
    def defaults(self) -> Options:
        """Options of a search that passes none: those of the first shard."""
        return self.shards[0].defaults

    @property
    def bytes_per_vector(self) -> int:
        """Bytes per vector that a search may read."""
        return self.shards[0].bytes_per_vector

    # ------------------------------------------------------------------ changes

    def add(self, vectors: Any, keys: Sequence[str | None] | None = None) -> Ids:
        """Add vectors to one shard and return their ids. After an error, nothing is added.

        They go to the smallest shard with enough free ids below the first id of the next shard; the last shard wins
        ties. With shards of :func:`split`, that is always the last one.

        Raises
        ------
        DTypeError, DimensionError, ParameterError, UnsupportedError, OSError
            As in :meth:`EmbeddingIndex.add`; also if a key is in any shard, or no shard has enough free ids.
        """
        self._check_writable()
        rows = as_rows(vectors, self.model.n_features_in_, "vectors")
        names = None if keys is None else checks.listed(keys, "keys")
        with self.store.changing() as snapshot:
            for name, row in zip(names or (), snapshot.find_all(names or ()), strict=True):
                if row is not None:
                    raise ParameterError(f"the key {name!r} already exists; remove its row first")
            at = self._roomiest(len(rows))
            return self.shards[at].add(rows, names) + self.offsets[at]

    def _roomiest(self, rows: int) -> int:
        """Return the number of the smallest shard with enough free ids for the rows."""
        ends = [*self.offsets[1:], self.offsets[-1] + MOST_ROWS]
        begun = [at + shard.store.snapshot.state.next_id for shard, at in self._each()]
        fit = [at for at, (end, first) in enumerate(zip(ends, begun, strict=True)) if end - first >= rows]
        if not fit:
            raise ParameterError(f"no shard has free ids for {rows} rows; create another shard and open it with these")
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
        """Find the k nearest vectors to each query in all shards; see :meth:`EmbeddingIndex.search`."""
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
        """Search all parts for a few queries, and merge their results after each step.

        The last step leaves ``counts[0]`` results, the step before it ``counts[1]``, and so on.
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
        """Split ids by shard into the shards' own ids; raises ParameterError if an id does not exist."""
        self._check_ids(ids)
        owners = self.store.snapshot.owners(ids)
        return [ids[owners == at] - offset for at, offset in enumerate(self.offsets)]


class _Part(NamedTuple):
    """The search of one shard."""

    shard: EmbeddingIndex
    offset: int
    search: Search

    def run(self, queries: Any) -> tuple[Distances, Ids]:
        """Return distances and global ids of the nearest rows."""
        return self._numbered(*self.search.run(queries))

    def candidates(self, queries: Any, wanted: int) -> tuple[Distances, Ids]:
        """Return distances and global ids of candidates for the steps."""
        search = self.search
        wanted = min(wanted, _rows_of(search))
        options = replace(search.options, candidates=wanted)
        return self._numbered(*search.prepared.search(queries, wanted, options, search.allowed))

    def steps(self, asked: Queries, prefix: bool) -> list[Exact]:
        """Return the functions that compare candidates again."""
        return self.shard.pipeline.steps(asked, self.search.prepared.snapshot, prefix)

    def compared(self, asked: Queries, prefix: bool, step: int, numbers: Ids, hits: int) -> tuple[Distances, Ids]:
        """Compare the shard's own among the candidates by a step; ``numbers`` are global ids, ascending per query."""
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
    """Open an index or a folder of shards for reading; raises as their ``open`` does."""
    places = shard_paths(path)
    if len(places) == 1 and not places[0].name.startswith(SHARD):
        return opened(path, backend=backend)
    return ShardedIndex.open(path, backend=backend)


def _check_alike(opened: Sequence[EmbeddingIndex], places: Sequence[Path]) -> None:
    """Raise ParameterError if the last index cannot be a shard beside the first one."""
    first, last, place = opened[0], opened[-1], places[len(opened) - 1]
    if digest(places[0] / MODEL_FOLDER) != digest(place / MODEL_FOLDER):
        raise ParameterError(f"{place} has another model than {places[0]}; index its vectors with the same model")
    if (first.codes.kind, first.codes.originals) != (last.codes.kind, last.codes.originals):
        raise ParameterError(f"{place} has another kind or other originals than {places[0]}")


def _rows_of(search: Search) -> int:
    """Return the number of rows that a search may find."""
    return len(search.prepared.snapshot) if search.allowed is None else len(search.allowed)


def _mapped(call: Callable[[_Part], T], parts: Sequence[_Part], work: int) -> list[T]:
    """Call a function with each part and return the results; large inputs use several threads."""
    workers = min(len(parts), threads())
    if workers == 1 or work <= ALONE:
        return [call(part) for part in parts]
    with ThreadPoolExecutor(workers, thread_name_prefix="shard") as pool:
        return list(pool.map(call, parts))
