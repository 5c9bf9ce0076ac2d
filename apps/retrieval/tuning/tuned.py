"""The index that is fastest among those that find enough within some bytes, chosen by measurement on a sample."""

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from hdc.apps.retrieval.tuning.heldout import HeldOut, Setting, settings, without
from hdc.apps.retrieval.tuning.recipes import FEW_ROWS, Recipe, lists_for, recipes
from hdc.apps.retrieval.vectors.rows import as_rows, finite
from hdc.apps.retrieval.vectors.space import METRICS
from hdc.checks import choice, integer, number
from hdc.errors import ParameterError
from hdc.search.kmeans import PER_LIST

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

SAMPLE = 50_000
"""Most vectors that recipes are compared on, and that the chosen one learns from (lists: more, if they need it)."""

QUERIES = 1000
"""Most vectors that are held out as queries, half of them to find options by and half to measure them."""

SHARE = 10
"""At most one vector in so many is held out."""

FEWEST = 200
"""Vectors that are needed to choose by."""

EQUAL_LENGTHS = 0.01
"""Lengths whose standard deviation is less than this share of their mean are taken as equal."""

NEARLY = 0.8
"""What is so much as fast as the fastest, or more, is as good, and its bytes count."""

ADDED = 16_384
"""Vectors that are added at a time."""


@dataclass(frozen=True)
class Wish:
    """What an index is to do: find a part of the ``k`` nearest by a metric, of at most so many bytes, None for any."""

    recall: float
    most_bytes: int | None
    metric: str
    k: int
    seed: int
    backend: str

    def __str__(self) -> str:
        within = "" if self.most_bytes is None else f" within {self.most_bytes} bytes per vector"
        return f"{self.recall:g} of the nearest {self.k}{within}"


@dataclass(frozen=True)
class Trial:
    """One recipe, measured on the sample.

    Attributes
    ----------
    recipe : Recipe
    model : Binarizer
        Fitted to the sample.
    measured : Measured
    setting : Setting
        The fastest that reaches the recall, or the one that finds most.
    """

    recipe: Recipe
    model: Binarizer
    measured: Measured
    setting: Setting


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
    chosen : Trial or None
        Of those that reach the recall within the bytes, and are about as fast as the fastest, the smallest; None if
        none does.
    """

    wish: Wish
    trials: list[Trial]
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
            index = EmbeddingIndex.create(path, model, keep=recipe.keep)
            total = -(-self._vectors.rows // ADDED)
            for block in tracked(self._vectors.blocks(rows=ADDED), total, unit="blocks"):
                stop = block.start + len(block.vectors)
                index.add(block.vectors, None if keys is None else keys[block.start : stop])
        elif path is None or keys is not None:
            raise ParameterError("a file of vectors has its own keys, and is indexed in a folder; give path= alone")
        else:
            with tempfile.TemporaryDirectory() as folder:
                model.save(folder)
                build(self._vectors, folder, path, keep=recipe.keep, backend=self.wish.backend)
            index = EmbeddingIndex.open(path, writable=True, backend=self.wish.backend)
        return index, self._settled(index, recipe.name, time.monotonic() - began)

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

    def _settled(self, index: EmbeddingIndex, name: str, seconds: float) -> Measured:
        """Find options by one half of the queries, keep them, and measure them by the other."""
        queries = self._held_out()
        half = len(queries.queries) // 2
        best = settings(index, queries.part(slice(half)), self.wish.recall)[0]
        index.set_defaults(best.options)
        fresh = queries.part(slice(half, None))
        recall, rate = float(fresh.recalls(index, best.options).mean()), fresh.rate(index, best.options)
        return _measured(name, index, Setting(best.options, best.least, recall, rate), seconds)

    def _held_out(self) -> HeldOut:
        """Return the queries and their neighbors among all vectors."""
        if self._queries is not None:
            return HeldOut(
                self._queries, exact(self._vectors.blocks(), self._queries, self.wish.k, self.wish.metric)[1], None
            )
        own = _split(self._vectors.rows, SAMPLE, self.wish.seed)[0]
        queries = self._vectors.keyed_rows(own)[0]
        found = exact(self._vectors.blocks(), queries, self.wish.k + 1, self.wish.metric)[1]
        return HeldOut(queries, without(found, own), own)


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
) -> Tuned:
    """Measure what can be made of vectors, on a sample, and choose the fastest that finds enough.

    Parameters
    ----------
    vectors : (n, d) float array, or VectorFile
        An array may be mapped from a file.
    recall : float
        Part of the ``k`` nearest that is to be found, from 0 to 1: a standard error less is not enough.
    bytes_per_vector : int, optional
        Most bytes that a search may read of a vector, codes and what is kept beside them.
    metric : {"cosine", "ip", "l2"}, optional
        What nearness is. Left out, it is ``cosine`` if the vectors have one length, where all three have the same
        neighbors, and else ``l2``.
    queries : (q, d) float array, optional
        At least 20, such as will be asked. Left out, some vectors are held out; these are no answers to themselves.
    k, seed : int
    backend : str
        As for binarizers.

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
    truth = HeldOut(held, exact([Block(0, sample, None)], held, k, metric)[1], None)
    wish = Wish(recall, most, metric, k, seed, backend)
    trials = _trials(sample, truth, wish, source.rows)
    return Tuned(wish, trials, _chosen(trials, recall), why, source, asked)


def _chosen(trials: list[Trial], recall: float) -> Trial | None:
    """Return the trial of fewest bytes of those about as fast as the fastest that reaches the recall."""
    good = [trial for trial in trials if trial.setting.least >= recall]
    fastest = max((trial.measured.queries_per_second for trial in good), default=0.0)
    fast = [trial for trial in good if trial.measured.queries_per_second >= NEARLY * fastest]
    return min(fast, key=lambda trial: trial.measured.bytes_per_vector, default=None)


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


def _trials(sample: Floats, queries: HeldOut, wish: Wish, rows: int) -> list[Trial]:
    """Measure recipes, those that are trained only if no other one reaches what is wished."""
    found: list[Trial] = []
    tried = recipes(sample.shape[1], wish.most_bytes, wish.metric, wish.seed, wish.backend)
    for recipe in tracked(tried, len(tried), unit="recipes"):
        if recipe.trained and any(trial.setting.least >= wish.recall for trial in found):
            continue
        began = time.monotonic()
        model = recipe.make(max(len(sample), min(rows, FEW_ROWS))).fit(sample)  # with lists if all rows will have them
        index = EmbeddingIndex.create(None, model, keep=recipe.keep)
        if wish.most_bytes is not None and index.bytes_per_vector > wish.most_bytes:
            continue
        index.add(sample)
        seconds = time.monotonic() - began
        best = settings(index, queries, wish.recall)[0]
        measured = _measured(recipe.name, index, best, seconds)
        # Of all rows that are scanned, or of longer lists.
        more = (len(sample) / rows) ** (0.5 if index.lists > 1 else 1)
        found.append(
            Trial(recipe, model, replace(measured, queries_per_second=measured.queries_per_second * more), best)
        )
    return found


def _measured(name: str, index: EmbeddingIndex, setting: Setting, seconds: float) -> Measured:
    options = ", ".join(f"{name} {value}" for name, value in vars(setting.options).items())
    return Measured(f"{name}, {options}", setting.recall, index.bytes_per_vector, setting.rate, round(seconds, 1))
