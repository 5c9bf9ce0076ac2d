"""Indexes of files of vectors: built block by block, and resumed after an interruption."""

import hashlib
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hdc import checks
from hdc.apps.progress import tracked
from hdc.apps.retrieval.binarisers import Binarizer, RaBitQBinarizer, load
from hdc.apps.retrieval.files.vectors import VectorFile
from hdc.apps.retrieval.index.binary import Kind
from hdc.apps.retrieval.index.embedding import EmbeddingIndex
from hdc.checks import integer
from hdc.errors import DimensionError, ParameterError

BUILDING, BUILT = "building", "build_seconds"
"""Entries of an index's meta: of what an unfinished one is being built, and how long a finished one took."""

TRAINING = 50_000
"""Most vectors that lists are found from."""


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
) -> EmbeddingIndex:
    """Make an index of a file's vectors, or go on with an unfinished one; return it, open for writing.

    The whole file is checked before anything is written. Each block is durable when the next begins.

    Parameters
    ----------
    vectors : VectorFile
    model : path
        Of a saved binariser.
    path : path
        A new folder, or one in which the same build was interrupted.
    kind, keep
        As :meth:`EmbeddingIndex.create`.
    lists, seed : int
        As :meth:`EmbeddingIndex.train`.
    block : int
        Rows that are added at a time.

    Raises
    ------
    ParameterError
        If the folder holds anything else, or a vector is not finite.
    DimensionError
        If the model is of another dimension.
    FileFormatError
        If the model, or the unfinished index, is damaged.
    OSError
        If the disk is full or fails; what is there can be gone on with.
    """
    block, seed = integer(block, "block", 1), integer(seed, "seed", 0)
    lists = None if lists is None else integer(lists, "lists", 1)
    binarizer = load(model)
    if vectors.dim != binarizer.n_features_in_:
        raise DimensionError(
            f"{vectors.path}: vectors have {vectors.dim} components, and the model {os.fspath(model)} is for "
            f"{binarizer.n_features_in_}"
        )
    if lists is not None and (kind != "ivf" or isinstance(binarizer, RaBitQBinarizer)):
        raise ParameterError("lists are for kind='ivf' of other codes than RaBitQ's, which its model puts in lists")
    job = _job(vectors, binarizer, kind=kind, keep=keep, lists=lists, seed=seed)
    vectors.check()
    index = _begun(checks.path(path), binarizer, job)
    try:
        _fill(index, vectors, job, block)
    except BaseException:
        index.close()
        raise
    return index


def opened(path: str | os.PathLike[str], *, writable: bool = False) -> EmbeddingIndex:
    """Open a finished index.

    Raises
    ------
    ParameterError
        If it is unfinished.
    FileFormatError, BlockingIOError, OSError
        As :meth:`EmbeddingIndex.open`.
    """
    index = EmbeddingIndex.open(path, writable=writable)
    if BUILDING in index.codes.store.meta:
        count = len(index)
        index.close()
        raise ParameterError(
            f"{os.fspath(path)} is unfinished, with {count:,} vectors so far; run the same hdc embed index again"
        )
    return index


def _job(vectors: VectorFile, model: Binarizer, **options: Any) -> dict[str, Any]:
    """Describe a build, so that another one is told from it."""
    state = os.stat(vectors.path)
    arrays = [model.mean_.tobytes(), repr(model).encode()]
    digest = hashlib.blake2b(b"".join(arrays), digest_size=16).hexdigest()
    return {"rows": vectors.rows, "bytes": state.st_size, "changed": state.st_mtime_ns, "model": digest, **options}


def _begun(folder: Path, model: Binarizer, job: dict[str, Any]) -> EmbeddingIndex:
    """Open the unfinished index of the same build, or create one."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        _create(folder, model, job)
    index = EmbeddingIndex.open(folder, writable=True)
    if index.codes.store.meta.get(BUILDING) != job:
        unfinished = BUILDING in index.codes.store.meta
        index.close()
        what = "the unfinished index of other vectors or options" if unfinished else "an index already"
        raise ParameterError(f"{folder} is {what}; name a new folder, or remove it first")
    return index


def _create(folder: Path, model: Binarizer, job: dict[str, Any]) -> None:
    """Create an index of no vectors aside and move it, so that a folder never holds half of one."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=".hdc-") as aside:
        made = Path(aside) / "index"
        with EmbeddingIndex.create(made, model, kind=job["kind"], keep=job["keep"]) as index:
            index.codes.store.set_meta({**index.codes.store.meta, BUILDING: job, BUILT: 0.0})
        os.replace(made, folder)


def _fill(index: EmbeddingIndex, vectors: VectorFile, job: dict[str, Any], block: int) -> None:
    """Add what is missing, then mark the index as finished."""
    store = index.codes.store
    before, began = store.meta[BUILT], time.monotonic()
    if not index.trained:
        index.train(vectors.sample(TRAINING, job["seed"]), job["lists"], seed=job["seed"])
    done = len(index)
    total = -(-vectors.rows // block)
    for part in tracked(vectors.blocks(done, block), total, total - -(-(vectors.rows - done) // block), unit="blocks"):
        index.add(part.vectors, part.keys)
    meta = {**store.meta, BUILT: round(before + time.monotonic() - began, 3)}
    del meta[BUILDING]
    store.set_meta(meta)
