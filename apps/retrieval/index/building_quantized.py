"""Build an index of a file of ready-made quantized embeddings, without encoding; an interrupted build resumes."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from hdc.apps.retrieval.binarizers.files import digest
from hdc.apps.retrieval.files.npy import mapped
from hdc.apps.retrieval.files.vectors import file_state, key_lines
from hdc.apps.retrieval.index.binary import Kind
from hdc.apps.retrieval.index.building import BUILT, Report
from hdc.apps.retrieval.index.embedding import EmbeddingIndex
from hdc.apps.retrieval.index.folders import CODES_FOLDER, MODEL, MODEL_FOLDER
from hdc.apps.retrieval.index.packed import checked_keys
from hdc.apps.retrieval.index.ready_made import add_quantized, model_of
from hdc.apps.retrieval.vectors.quantized import Quantized
from hdc.errors import ParameterError
from hdc.search.build import Build


def build_quantized(
    file: str | os.PathLike[str],
    precision: str,
    path: str | os.PathLike[str],
    *,
    ranges: str | os.PathLike[str] | None = None,
    keys: str | os.PathLike[str] | None = None,
    kind: Kind | None = None,
    backend: str = "auto",
) -> Report:
    """Build the index of :meth:`EmbeddingIndex.from_quantized` from files. It replaces an index at ``path``.

    Parameters
    ----------
    file, ranges : path
        ``.npy`` files.
    precision, kind
        As in :meth:`EmbeddingIndex.from_quantized`.
    path : path
    keys : path, optional
        A text file with one line per row.
    backend : str

    Raises
    ------
    ParameterError, DTypeError, DimensionError, MismatchError, UnsupportedError
        As in :meth:`EmbeddingIndex.from_quantized`; also if the file has no rows, or ``path`` is not an index.
    FileFormatError
        If a file has another format or is truncated.
    BlockingIOError
        If another process builds or writes this index.
    OSError
        If the disk is full or fails; the same call resumes the build.
    """
    began, files = time.monotonic(), [os.fspath(name) for name in (file, ranges, keys) if name is not None]
    given = Quantized.of(mapped(os.fspath(file)), precision, None if ranges is None else mapped(os.fspath(ranges)))
    if not len(given):
        raise ParameterError(f"{os.fspath(file)} has no rows; an index needs at least one")
    names = None if keys is None else checked_keys(list(key_lines(keys)), len(given))
    model, keep = model_of(given), None if given.of_bits else "int8"
    model.set_params(backend=backend)

    def create(folder: Path | None) -> EmbeddingIndex:
        return EmbeddingIndex.create(folder, model, kind=kind, keep=keep)

    create(None)  # raises the errors of creating the index early
    with Build(path, EmbeddingIndex.KIND, inside=CODES_FOLDER, inputs=files) as place:
        task: dict[str, Any] = {"precision": precision, "kind": kind, "inputs": [file_state(name) for name in files]}
        told = place.begin(task)
        if told is not None:
            print(told, file=sys.stderr)
        with place.opened(lambda folder: EmbeddingIndex.open(folder, writable=True, backend=backend), create) as index:
            add_quantized(index, given, names, len(index))
            made = {BUILT: round(time.monotonic() - began, 3), MODEL: digest(place.index / MODEL_FOLDER)}
            index.store.set_meta({**index.store.meta, **made})
            report = Report(len(index), index.kind)
            if index.kind != "hnsw":
                index.prepare()  # closing saves the lists
        place.finish()
    return report
