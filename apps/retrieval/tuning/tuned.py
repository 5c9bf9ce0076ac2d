"""The index that is fastest among those that find enough within some bytes, chosen by measurement on a sample."""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.progress import tracked
from hdc.apps.retrieval.binarizers import Binarizer
from hdc.apps.retrieval.evaluation.exact import exact
from hdc.apps.retrieval.evaluation.report import Measured, table
from hdc.apps.retrieval.files.vectors import Block, Rows, VectorFile
from hdc.apps.retrieval.index.building import build
from hdc.apps.retrieval.index.embedding import EmbeddingIndex
from hdc.apps.retrieval.index.reshaping import without as copy_without
from hdc.apps.retrieval.tuning.heldout import HeldOut, Setting, settings, without
from hdc.apps.retrieval.tuning.recipes import lists_for
from hdc.apps.retrieval.tuning.trials import (
    ADDED,
    Growth,
    Trial,
    Wish,
    chosen,
    measured,
    measured_growth,
    rivals,
    trials,
)
from hdc.apps.retrieval.vectors.rows import as_rows, finite
from hdc.apps.retrieval.vectors.space import METRICS
from hdc.checks import choice, flag, integer, number
from hdc.errors import ParameterError
from hdc.search.kmeans import PER_LIST

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

SAMPLE = 50_000
"""Most vectors that recipes are compared on, and that the chosen one learns from (lists: more, if they need it)."""

LARGER = 4
"""Lists and a graph that both reach the recall are measured again on a part so many times as large as the sample, or at
least twice as large, to know how much slower each gets."""

QUERIES = 1000
"""Most vectors that are held out as queries, half of them to find options by and half to measure them."""

SHARE = 10
"""At most one vector in so many is held out."""

FEWEST = 200
"""Vectors that are needed to choose by."""

EQUAL_LENGTHS = 0.01
"""Lengths whose standard deviation is less than this share of their mean are taken as equal."""


@dataclass(frozen=True)
class Tuned:
    """What :func:`tune` found.

    Attributes
    ----------
    wish : Wish
    trials : list of Trial
        All that was measured, on a sample; queries a second are those that are expected of all vectors.
    why : str
        How the metric was chosen.
    growth : Growth
        What the queries a second of all vectors were reckoned with; its text says what was assumed.
    chosen : Trial or None
        Of those that reach the recall within the bytes, and are about as fast as the fastest, the smallest; None if
        none does.
    """

    wish: Wish
    trials: list[Trial]
    growth: Growth
    chosen: Trial | None
    why: str
    _vectors: VectorFile
    _queries: Floats | None

    def table(self) -> list[str]:
        """Return the lines of a table for people."""
        return table([trial.measured for trial in self.trials], self.wish.k)

    def index(
        self, path: str | os.PathLike[str] | None = None, keys: Sequence[str | None] | None = None
    ) -> tuple[EmbeddingIndex, Measured]:
        """Make the chosen index of all vectors, and find its options anew, which its searches then take.

        Parameters
        ----------
        path : path or None
            A new folder, or an index to replace if the vectors are in a file; None makes one in memory.
        keys : sequence of n texts, optional
            Where the vectors are an array; a file has its own.

        Returns
        -------
        index : EmbeddingIndex
            Open for writing.
        measured : Measured
            What it finds, with queries by which nothing was chosen.

        Raises
        ------
        ParameterError
            If no recipe reached the recall, or keys are given for a file.
        OSError
            If the folder cannot be written; with a file of vectors, the same call goes on afterwards.
        """
        trial, began = self._trial(), time.monotonic()
        model, recipe = self._fitted(trial), trial.recipe
        if isinstance(self._vectors, Rows):
            index = EmbeddingIndex.create(path, model, kind=recipe.kind, keep=recipe.keep)
            total = -(-self._vectors.rows // ADDED)
            for block in tracked(self._vectors.blocks(rows=ADDED), total, unit="blocks"):
                stop = block.start + len(block.vectors)
                index.add(block.vectors, None if keys is None else keys[block.start : stop])
            index.prepare()
        elif path is None or keys is not None:
            raise ParameterError("a file of vectors has its own keys, and is indexed in a folder; give path= alone")
        else:
            with tempfile.TemporaryDirectory() as folder:
                model.save(folder)
                build(self._vectors, folder, path, kind=recipe.kind, keep=recipe.keep, backend=self.wish.backend)
            index = EmbeddingIndex.open(path, writable=True, backend=self.wish.backend)
        return index, self._settled(index, path, recipe.name, time.monotonic() - began)

    def _trial(self) -> Trial:
        if self.chosen is not None:
            return self.chosen
        best = max(self.trials, key=lambda trial: trial.setting.recall, default=None)
        found = "nothing is so small" if best is None else f"{best.recipe.name} finds {best.setting.recall:.3f}"
        raise ParameterError(f"no index finds {self.wish}; {found}: allow more bytes, or ask for less recall")

    def _fitted(self, trial: Trial) -> Binarizer:
        """Return the model for all vectors: what takes minutes to train has seen enough of them."""
        if trial.recipe.trained:
            return trial.model
        rows = self._vectors.rows
        training = _split(rows, max(SAMPLE, PER_LIST * lists_for(rows)), self.wish.seed)[1]
        return trial.recipe.make(rows).fit(self._vectors.keyed_rows(training)[0])

    def _settled(
        self, index: EmbeddingIndex, path: str | os.PathLike[str] | None, name: str, seconds: float
    ) -> Measured:
        """Find options by one half of the queries, keep them, and measure them by the other."""
        with self._measurable(index, path) as (asked, queries):
            half = len(queries.queries) // 2
            best = settings(asked, queries.part(slice(half)), self.wish.recall)[0]
            fresh = queries.part(slice(half, None))
            recall, rate = float(fresh.recalls(asked, best.options).mean()), fresh.rate(asked, best.options)
        index.set_defaults(best.options)
        index.prepare()  # the links of a graph count as bytes
        return measured(name, index, Setting(best.options, best.least, recall, rate), seconds)

    @contextmanager
    def _measurable(
        self, index: EmbeddingIndex, path: str | os.PathLike[str] | None
    ) -> Iterator[tuple[EmbeddingIndex, HeldOut]]:
        """Yield queries, and an index to find options with: the one that was built, or a graph without the queries.

        A graph links each vector to its neighbors, so it finds more for its own vectors than for other queries.
        """
        source, wish = self._vectors, self.wish
        if self._queries is not None:
            yield index, HeldOut(self._queries, exact(source.blocks(), self._queries, wish.k, wish.metric)[1], None)
            return
        own = _split(source.rows, SAMPLE, wish.seed)[0]
        queries = source.keyed_rows(own)[0]
        if index.kind != "graph":
            yield (
                index,
                HeldOut(queries, without(exact(source.blocks(), queries, wish.k + 1, wish.metric)[1], own), own),
            )
            return
        others = np.delete(np.arange(source.rows), own)
        truth = others[exact(_blocks_without(source, own), queries, wish.k, wish.metric)[1]]
        with _without(index, own, path) as asked:
            asked.prepare()
            yield asked, HeldOut(queries, truth, None)


@contextmanager
def _without(index: EmbeddingIndex, ids: Ids, path: str | os.PathLike[str] | None) -> Iterator[EmbeddingIndex]:
    """Yield a copy of an index without some rows, for as long as it is needed: beside the index, or in memory."""
    if path is None:
        yield copy_without(index, ids)
        return
    beside = Path(os.path.abspath(path)).parent
    with (
        tempfile.TemporaryDirectory(prefix=".tune.", dir=beside) as folder,
        copy_without(index, ids, Path(folder) / "index") as copied,
    ):
        yield copied


def _blocks_without(source: VectorFile, numbers: Ids) -> Iterator[Block]:
    """Yield the vectors, but for some, numbered from 0 on."""
    start = 0
    for block in source.blocks():
        within = numbers[(numbers >= block.start) & (numbers < block.start + len(block.vectors))]
        vectors = np.delete(block.vectors, within - block.start, axis=0)
        yield Block(start, vectors, None)
        start += len(vectors)


def tune(
    vectors: Any,
    *,
    recall: float = 0.95,
    bytes_per_vector: int | None = None,
    metric: str | None = None,
    queries: Any = None,
    k: int = 10,
    seed: int = 0,
    backend: str = "auto",
    graph: bool = True,
) -> Tuned:
    """Measure what can be made of vectors, on a sample, and choose the fastest that finds enough.

    Parameters
    ----------
    vectors : (n, d) float array, or VectorFile
        An array may be mapped from a file.
    recall : float
        Part of the ``k`` nearest that is to be found, from 0 to 1: a standard error less is not enough.
    bytes_per_vector : int, optional
        Most bytes that a search may read of a vector: code, what is kept beside it, and records and links of a graph.
    metric : {"cosine", "ip", "l2"}, optional
        What nearness is. Left out, it is ``cosine`` if the vectors have one length, where all three have the same
        neighbors, and else ``l2``.
    queries : (q, d) float array, optional
        At least 20, such as will be asked. Left out, some vectors are held out; these are no answers to themselves.
    k, seed : int
    backend : str
        As for binarizers.
    graph : bool
        Whether a graph is tried. Pass False if most searches are among some vectors, or vectors change often.

    Returns
    -------
    Tuned
        Whose ``index`` makes the index.

    Raises
    ------
    ParameterError
        If there are fewer than 200 vectors or 20 queries, or a parameter is out of range.
    DTypeError, DimensionError
        If vectors or queries are no floats, or of another shape.

    Examples
    --------
    >>> import numpy as np
    >>> from hdc.apps.retrieval import tune
    >>> rng = np.random.default_rng(0)
    >>> x = (rng.standard_normal((20, 32))[rng.integers(0, 20, 2000)] + rng.standard_normal((2000, 32))).astype("f4")
    >>> index, measured = tune(x, recall=0.9).index()
    >>> bool(measured.recall > 0.85), len(index.search(x[:1])[1][0])
    (True, 10)
    """
    recall, k, seed = number(recall, "recall", 0, 1), integer(k, "k", 1), integer(seed, "seed", 0)
    most = None if bytes_per_vector is None else integer(bytes_per_vector, "bytes_per_vector", 1)
    source = vectors if isinstance(vectors, VectorFile) else Rows(vectors, "vectors")
    asked = None if queries is None else _queries(queries, source.dim)
    if source.rows < max(FEWEST, SHARE * k):
        raise ParameterError(
            f"{source.path} holds {source.rows} vectors, and {max(FEWEST, SHARE * k)} are needed to choose by; so few "
            "are compared in no time: keep them as they are"
        )
    own, training = _split(source.rows, SAMPLE, seed)
    sample = source.keyed_rows(training)[0]
    metric, why = _metric(sample) if metric is None else (choice(metric, "metric", METRICS), "as asked")
    held = source.keyed_rows(own)[0] if asked is None else asked
    wish = Wish(recall, most, metric, k, seed, backend, flag(graph, "graph"))
    found = trials(sample, _answered(held, sample, wish), wish, source.rows)
    growth = _growth(found, source, held, len(sample), wish)
    found = [trial.expected(growth) for trial in found]
    return Tuned(wish, found, growth, chosen(found, recall), why, source, asked)


def _answered(queries: Floats, rows: Floats, wish: Wish) -> HeldOut:
    return HeldOut(queries, exact([Block(0, rows, None)], queries, wish.k, wish.metric)[1], None)


def _growth(found: list[Trial], source: VectorFile, queries: Floats, sample: int, wish: Wish) -> Growth:
    """Return how much slower searches get: measured, if lists and a graph compete and there are vectors enough."""
    numbers = _split(source.rows, LARGER * SAMPLE, wish.seed)[1]
    of, growth = rivals(found, wish.recall), Growth(sample, source.rows)
    if of and len(numbers) >= 2 * sample:
        part = source.keyed_rows(numbers)[0]
        growth = measured_growth(of, part, _answered(queries, part, wish), wish, sample, source.rows)
    return replace(growth, powers={trial.kind: growth.powers[trial.kind] for trial in found})


def _metric(sample: Floats) -> tuple[str, str]:
    """Return the metric that vectors suggest, and why."""
    lengths = np.linalg.norm(sample, axis=1)
    spread = float(lengths.std() / max(float(lengths.mean()), 1e-30))
    if spread < EQUAL_LENGTHS:
        return "cosine", "the vectors have one length, so that all metrics have the same neighbors"
    return "l2", f"lengths vary by {100 * spread:.0f} %; say if cosines or inner products are meant"


def _queries(queries: Any, dim: int) -> Floats:
    found = finite(as_rows(queries, dim, "queries"), 0, "queries")
    if len(found) < FEWEST // SHARE:
        raise ParameterError(f"{len(found)} queries are too few to choose by; give {FEWEST // SHARE} or more, or none")
    return found


def _split(rows: int, most: int, seed: int) -> tuple[Ids, Ids]:
    """Return the numbers, ascending, of rows that are held out, and of at most so many others."""
    order = np.random.default_rng(seed).permutation(rows)
    held = min(QUERIES, rows // SHARE)
    return np.sort(order[:held]), np.sort(order[held : held + most])
