"""Compare indexes of the same vectors with each other and with exact float search."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import product

from hdc.apps.retrieval.evaluation import exact, metrics
from hdc.apps.retrieval.evaluation.judgments import NDCG_DEPTH, Judgments, mrr, ndcg
from hdc.apps.retrieval.evaluation.metrics import Ids
from hdc.apps.retrieval.evaluation.report import Measured
from hdc.apps.retrieval.files.vectors import Block, VectorFile
from hdc.apps.retrieval.index.building import BUILT, opened
from hdc.apps.retrieval.index.embedding import EmbeddingIndex
from hdc.checks import integer, listed
from hdc.errors import DimensionError, ParameterError
from hdc.search.options import OPTIONS, Options, options_of

Settings = Sequence[int | None]
"""Values of one option; None uses the default."""


def compare(
    vectors: VectorFile,
    queries: VectorFile,
    indexes: Sequence[str],
    k: int = 10,
    *,
    candidates: Settings = (None,),
    probes: Settings = (None,),
    effort: Settings = (None,),
    truth: str | os.PathLike[str] | None = None,
    judgments: Judgments | None = None,
    first: int = 1,
) -> list[Measured]:
    """Measure each index at every combination of its settings, after exact float search.

    Parameters
    ----------
    vectors, queries : VectorFile
    indexes : sequence of paths
        Built from these vectors, so that ids are row numbers.
    k : int
        Measure recall@k.
    candidates, probes, effort : sequences of int or None
        As :meth:`EmbeddingIndex.search`. ``probes`` applies to kind ``ivf``, ``effort`` to graphs; at least one index
        must be of that kind.
    truth : path, optional
        As the cache of :func:`~hdc.apps.retrieval.evaluation.exact.exact_rows`.
    judgments : mapping, optional
    first : int
        Number of the first query, and of the first vector, in the judgments.

    Returns
    -------
    list of Measured
        Exact search comes first; its speed is measured on vectors in memory.

    Raises
    ------
    ParameterError
        If k is less than 1, an index has another number of vectors or another metric than the others, or no index has
        an option.
    DimensionError
        If the queries or an index have another dimension.
    FileFormatError, OSError
        If a file is damaged or cannot be read.
    """
    k, first = integer(k, "k", 1), integer(first, "first", 0)
    kinds, metrics = set(), dict[str, str]()
    for path in listed(indexes, "indexes"):
        with opened(path) as index:
            _check(index, path, vectors)
            kinds.add(index.kind)
            metrics.setdefault(index.metric, path)
    metric = _metric(metrics)
    for name, values in (("probes", probes), ("effort", effort)):
        own = [kind for kind in OPTIONS if name in _options_of(kind)]
        if not kinds & {*own} and any(value is not None for value in values):
            of, there = " and ".join(map(repr, own)), " and ".join(sorted(kinds))
            raise ParameterError(f"{name} is an option of kind {of}, but the indexes are of kind {there}")
    asked = queries.read().vectors
    depth = k if judgments is None else max(k, NDCG_DEPTH)
    neighbors = exact.exact_rows(vectors, asked, depth, truth, metric)
    rows = [_exact(vectors, asked, neighbors, k, metric, judgments, first)]
    for path in indexes:
        with opened(path) as index:
            for name, options in _settings(index, candidates, probes, effort):
                title = f"{os.path.basename(os.path.normpath(path))}{name}"
                rows.append(_measured(title, index, asked, neighbors, k, options, judgments, first))
    return rows


def _metric(metrics: Mapping[str, str]) -> str:
    """Return the only metric of the indexes, or cosine if there are none."""
    if len(metrics) > 1:
        each = " and ".join(f"{path} uses {metric}" for metric, path in metrics.items())
        raise ParameterError(f"indexes of different metrics cannot be compared: {each}; compare them one by one")
    return next(iter(metrics), "cosine")


def _check(index: EmbeddingIndex, path: str, vectors: VectorFile) -> None:
    if index.model.n_features_in_ != vectors.dim:
        raise DimensionError(f"{path} indexes vectors of {index.model.n_features_in_} components, not {vectors.dim}")
    if len(index) != vectors.rows:
        raise ParameterError(f"{path} has {len(index):,} vectors, but {vectors.path} has {vectors.rows:,}")


def _settings(
    index: EmbeddingIndex, candidates: Settings, probes: Settings, effort: Settings
) -> Iterator[tuple[str, Options]]:
    """Yield the suffix of each setting's name, and its options."""
    kind, every = index.kind, {"candidates": candidates, "probes": probes, "effort": effort}
    own = {name: values for name, values in every.items() if name in _options_of(kind)}
    for values in product(*own.values()):
        given = {name: value for name, value in zip(own, values, strict=True) if value is not None}
        yield "".join(f", {name} {value}" for name, value in given.items()), options_of(kind, None, **given)


def _options_of(kind: str) -> set[str]:
    """Return the names of the options of a kind."""
    return {field.name for field in fields(OPTIONS[kind])}


def _exact(
    vectors: VectorFile,
    asked: exact.Floats,
    rows: Ids,
    k: int,
    metric: str,
    judgments: Judgments | None,
    first: int,
) -> Measured:
    """Measure exact search; its speed is measured on the first block and extrapolated to all vectors."""
    block = next(vectors.blocks())
    seconds = metrics.timed(lambda: exact.exact([Block(0, block.vectors, None)], asked, k, metric))
    seconds *= vectors.rows / len(block.vectors)
    quality = _quality(rows, judgments, first)
    name = "exact float32" if metric == "cosine" else f"exact float32, {metric}"
    return Measured(name, 1.0, 4 * vectors.dim, len(asked) / seconds, None, *quality)


def _measured(
    title: str,
    index: EmbeddingIndex,
    asked: exact.Floats,
    neighbors: Ids,
    k: int,
    options: Options,
    judgments: Judgments | None,
    first: int,
) -> Measured:
    """Measure one index at one setting."""
    found = index.search(asked, k, options=options)[1]
    seconds = metrics.timed(lambda: index.search(asked, k, options=options))
    judged = found if judgments is None else index.search(asked, neighbors.shape[1], options=options)[1]
    return Measured(
        title,
        metrics.recall(found, neighbors[:, :k]),
        index.bytes_per_vector,
        len(asked) / seconds,
        index.codes.store.meta.get(BUILT),
        *_quality(judged, judgments, first),
    )


def _quality(found: Ids, judgments: Judgments | None, first: int) -> tuple[float | None, float | None]:
    """Return nDCG and MRR, or None without judgments."""
    if judgments is None:
        return None, None
    named = {
        str(first + query): [str(first + row) for row in rows[rows >= 0].tolist()] for query, rows in enumerate(found)
    }
    if not set(judgments) & set(named):
        raise ParameterError(f"the judgments cover none of the queries {first} to {first + len(found) - 1}")
    return ndcg(named, judgments), mrr(named, judgments)
