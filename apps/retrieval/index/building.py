"""Build an index of a file of vectors, block by block; an interrupted build resumes."""

import os
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy.typing as npt

from hdc.apps.cluster import Cluster
from hdc.apps.progress import tracked
from hdc.apps.retrieval.binarizers import RaBitQBinarizer, load
from hdc.apps.retrieval.binarizers.files import digest
from hdc.apps.retrieval.files.vectors import Block, VectorFile
from hdc.apps.retrieval.index.binary import Kind
from hdc.apps.retrieval.index.embedding import EmbeddingIndex
from hdc.apps.retrieval.index.folders import CODES_FOLDER, MODEL
from hdc.apps.retrieval.index.there import There
from hdc.apps.workers import Workers
from hdc.checks import integer
from hdc.errors import DimensionError, ParameterError
from hdc.search.build import Build
from hdc.store.state import MOST_ROWS

BUILT = "build_seconds"
"""Entry of an index's meta: the seconds of the run that completed it."""

UNFINISHED = "building"
"""Entry of the meta of an unfinished index from an earlier release, which built indexes in place."""

MOST_WORKERS = 256

TRAINING = 50_000
"""Most vectors to train lists on."""


@dataclass(frozen=True)
class Report:
    """The result of a build: the number of vectors, and the kind of the index."""

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
    workers: int = 1,
    cluster: Any = None,
    shared: str | None = None,
) -> Report:
    """Build an index of the vectors of a file. It replaces an index at ``path``; an interrupted build resumes.

    The whole file is checked before anything is written. Each block is durable before the next one starts.

    Parameters
    ----------
    vectors : VectorFile
    model : path
        Folder of a saved binarizer.
    path : path
    kind, keep
        As in :meth:`EmbeddingIndex.create`.
    lists, seed : int
        As in :meth:`EmbeddingIndex.train`.
    block : int
        Rows per block.
    backend : str
        Backend that encodes; the index is the same on all.
    workers : int
        Processes that encode, each one block at a time on one thread. This process reads, and adds blocks in order, so
        the index is the same to the last byte. With 1, this process encodes, on all threads it may use.
    cluster : str, distributed.Client, optional
        A Dask cluster whose workers read, check and encode instead; see :class:`~hdc.apps.cluster.Cluster`. Files,
        model and ``shared`` must have the same names on all workers.
    shared : path or URL, optional
        Where workers of a cluster store encoded blocks until they are added; beside the index by default.

    Raises
    ------
    ParameterError
        If ``path`` is not an index, or a vector is not finite.
    DimensionError
        If the model takes another number of components.
    FileFormatError
        If the model is damaged.
    BlockingIOError
        If another process builds or writes this index.
    OSError
        If the disk is full or fails; the same call resumes the build.
    WorkerError
        If an encoding process is killed, or the cluster is lost; the same call resumes the build.
    """
    if shared is not None and cluster is None:
        raise ParameterError("shared is for the workers of a cluster; name a cluster, too")
    workers = integer(workers, "workers", 1, MOST_WORKERS)
    if vectors.rows > MOST_ROWS:
        raise ParameterError(
            f"{vectors.path}: an index has at most 2**32 vectors, not {vectors.rows}; index parts of the file "
            "separately and search them with ShardedIndex"
        )
    block, seed = integer(block, "block", 1), integer(seed, "seed", 0)
    lists = None if lists is None else integer(lists, "lists", 1)
    binarizer = load(model, backend)
    if vectors.dim != binarizer.n_features_in_:
        raise DimensionError(
            f"{vectors.path}: vectors have {vectors.dim} components, and the model {os.fspath(model)} is for "
            f"{binarizer.n_features_in_}"
        )
    if lists is not None and (kind != "ivf" or isinstance(binarizer, RaBitQBinarizer)):
        raise ParameterError("lists are for kind='ivf' of codes other than RaBitQ; a RaBitQ model has its own lists")
    began = time.monotonic()
    options = {"kind": kind, "keep": keep, "lists": lists, "seed": seed}
    EmbeddingIndex.create(None, binarizer, kind=kind, keep=keep)  # raises the errors of creating the index early
    with ExitStack() as stack:
        if cluster is None:
            there = None
            vectors.check()
        else:
            there = There(stack.enter_context(Cluster(cluster)), vectors, shared)
            there.check(block)
        place = Build(path, EmbeddingIndex.KIND, inside=CODES_FOLDER, inputs=(vectors.path, model))
        stack.enter_context(place)
        told = place.begin({"options": options, "inputs": vectors.state(), "model": digest(model)})
        if told is not None:
            print(told, file=sys.stderr)
        with place.opened(
            lambda folder: EmbeddingIndex.open(folder, writable=True, backend=backend),
            lambda folder: EmbeddingIndex.create(folder, binarizer, kind=kind, keep=keep),
        ) as index:
            if not index.trained:
                drawn = vectors.sample(TRAINING, seed) if there is None else there.sample(TRAINING, seed, block)
                index.train(drawn, lists, seed=seed)
            encode = Encoder(os.path.abspath(model), kind, keep, backend, _coarse(index))
            done, blocks = len(index), -(-vectors.rows // block)
            if there is None:
                made = _encoded(vectors, done, block, encode, workers)
            else:
                made = there.encoded(encode, done, block, place.folder)
            with closing(made):
                for columns, keys in tracked(made, blocks, done // block, unit="blocks"):
                    index.add_encoded(columns, keys)
            seconds = round(time.monotonic() - began, 3)
            index.store.set_meta({**index.store.meta, BUILT: seconds, MODEL: digest(model)})
            report = Report(len(index), index.kind)
            if index.kind != "hnsw":
                index.prepare()  # closing saves the lists
        place.finish()
    return report


def opened(path: str | os.PathLike[str], *, writable: bool = False, backend: str = "auto") -> EmbeddingIndex:
    """Open a finished index.

    Raises
    ------
    ParameterError
        If an earlier release began it and did not finish.
    FileFormatError, BlockingIOError, OSError
        As in :meth:`EmbeddingIndex.open`.
    """
    index = EmbeddingIndex.open(path, writable=writable, backend=backend)
    if UNFINISHED in index.store.meta:
        index.close()
        raise ParameterError(f"an earlier release left {os.fspath(path)} unfinished; run hdc embed index again")
    return index


def _coarse(index: EmbeddingIndex) -> Any:
    """Return the trained IVF lists as the meta of an index stores them."""
    return index.store.meta["coarse"]


Encoded: TypeAlias = tuple[dict[str, npt.NDArray[Any]], list[str] | None]
"""The columns of a block, and its keys."""


class Encoder:
    """Encodes blocks of vectors into the rows of an index, in any process.

    Parameters
    ----------
    model : str
        Folder of the model.
    kind, keep, backend
        As in :func:`build`.
    coarse : JSON value
        The trained IVF lists of the index.
    """

    def __init__(self, model: str, kind: Kind | None, keep: str | None, backend: str, coarse: Any) -> None:
        self._settings = model, kind, keep, backend, coarse
        self._index: EmbeddingIndex | None = None

    def __getstate__(self) -> Any:
        return self._settings

    def __setstate__(self, settings: Any) -> None:
        self.__init__(*settings)  # type: ignore[misc]

    def __call__(self, part: Block) -> Encoded:
        """Return the columns of a block and its keys."""
        if self._index is None:
            model, kind, keep, backend, coarse = self._settings
            self._index = EmbeddingIndex.create(None, load(model, backend), kind=kind, keep=keep)
            self._index.store.set_meta({**self._index.store.meta, "coarse": coarse})
        return self._index.encoded(part.vectors), part.keys


def _encoded(vectors: VectorFile, done: int, block: int, encode: Encoder, workers: int) -> Generator[Encoded]:
    """Yield the columns and keys of the blocks from row ``done`` on."""
    left = -(-(vectors.rows - done) // block)
    with Workers(min(workers, left) or 1) as processes:
        yield from processes.in_order(encode, vectors.blocks(done, block))
