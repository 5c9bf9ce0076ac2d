"""Indexes of files of vectors: built block by block, and resumed after an interruption."""

import os
import sys
import time
from dataclasses import dataclass

from hdc.apps.progress import tracked
from hdc.apps.retrieval.binarisers import RaBitQBinarizer, load
from hdc.apps.retrieval.binarisers.files import digest
from hdc.apps.retrieval.files.vectors import VectorFile
from hdc.apps.retrieval.index.binary import Kind
from hdc.apps.retrieval.index.embedding import CODES_FOLDER, MODEL, EmbeddingIndex
from hdc.checks import integer
from hdc.errors import DimensionError, ParameterError
from hdc.search.build import Build

BUILT = "build_seconds"
"""Entry of an index's meta: how long the run that completed it took."""

UNFINISHED = "building"
"""Entry of the meta of an index that a release before this one began, in its place, and did not finish."""

TRAINING = 50_000
"""Most vectors that lists are found from."""


@dataclass(frozen=True)
class Report:
    """What was made: the number of vectors, and how they are searched."""

    vectors: int
    kind: Kind


def build(
    vectors: VectorFile,
    model: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    kind: Kind | None = None,
    keep: str | None = None,
    lists: int | None = None,
    block: int = 16384,
    seed: int = 0,
    backend: str = "auto",
) -> Report:
    """Make an index of a file's vectors, or go on where an interrupted run stopped; one at ``path`` is replaced.

    The whole file is checked before anything is written. Each block is durable when the next begins.

    Parameters
    ----------
    vectors : VectorFile
    model : path
        Of a saved binariser.
    path : path
    kind, keep
        As :meth:`EmbeddingIndex.create`.
    lists, seed : int
        As :meth:`EmbeddingIndex.train`.
    block : int
        Rows that are added at a time.
    backend : str
        What computes; the index is the same on all.

    Raises
    ------
    ParameterError
        If something else is at ``path``, or a vector is not finite.
    DimensionError
        If the model is of another dimension.
    FileFormatError
        If the model is damaged.
    BlockingIOError
        If another process builds or writes this index.
    OSError
        If the disk is full or fails; the same call goes on afterwards.
    """
    block, seed = integer(block, "block", 1), integer(seed, "seed", 0)
    lists = None if lists is None else integer(lists, "lists", 1)
    binarizer = load(model, backend)
    if vectors.dim != binarizer.n_features_in_:
        raise DimensionError(
            f"{vectors.path}: vectors have {vectors.dim} components, and the model {os.fspath(model)} is for "
            f"{binarizer.n_features_in_}"
        )
    if lists is not None and (kind != "ivf" or isinstance(binarizer, RaBitQBinarizer)):
        raise ParameterError("lists are for kind='ivf' of other codes than RaBitQ's, which its model puts in lists")
    began = time.monotonic()
    options = {"kind": kind, "keep": keep, "lists": lists, "seed": seed}
    EmbeddingIndex.create(None, binarizer, kind=kind, keep=keep)  # raises what creating the index would
    vectors.check()
    with Build(path, EmbeddingIndex.KIND, inside=CODES_FOLDER, inputs=(vectors.path, model)) as place:
        told = place.begin({"options": options, "inputs": vectors.state(), "model": digest(model)})
        if told is not None:
            print(told, file=sys.stderr)
        with place.opened(
            lambda folder: EmbeddingIndex.open(folder, writable=True, backend=backend),
            lambda folder: EmbeddingIndex.create(folder, binarizer, kind=kind, keep=keep),
        ) as index:
            if not index.trained:
                index.train(vectors.sample(TRAINING, seed), lists, seed=seed)
            _fill(index, vectors, block)
            seconds = round(time.monotonic() - began, 3)
            index.store.set_meta({**index.store.meta, BUILT: seconds, MODEL: digest(model)})
            report = Report(len(index), index.kind)
            if index.kind != "hnsw":
                index.prepare()  # lists are kept when it closes
        place.finish()
    return report


def opened(path: str | os.PathLike[str], *, writable: bool = False, backend: str = "auto") -> EmbeddingIndex:
    """Open a finished index.

    Raises
    ------
    ParameterError
        If an older release began it and did not finish.
    FileFormatError, BlockingIOError, OSError
        As :meth:`EmbeddingIndex.open`.
    """
    index = EmbeddingIndex.open(path, writable=writable, backend=backend)
    if UNFINISHED in index.store.meta:
        index.close()
        raise ParameterError(f"{os.fspath(path)} is unfinished, begun by an older release; run hdc embed index again")
    return index


def _fill(index: EmbeddingIndex, vectors: VectorFile, block: int) -> None:
    """Add what is missing."""
    done, total = len(index), -(-vectors.rows // block)
    left = -(-(vectors.rows - done) // block)
    for part in tracked(vectors.blocks(done, block), total, total - left, unit="blocks"):
        index.add(part.vectors, part.keys)
