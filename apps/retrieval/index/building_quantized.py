"""Indexes of files of embeddings that somebody else has quantized: nothing is encoded, and interrupted runs go on."""

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
    """Make an index as :meth:`EmbeddingIndex.from_quantized`, of files; one at ``path`` is replaced.

    Parameters
    ----------
    file, ranges : path
        ``.npy`` files.
    precision, kind
        As :meth:`EmbeddingIndex.from_quantized`.
    path : path
    keys : path, optional
        Of a text file, a line for each row.
    backend : str

    Raises
    ------
    ParameterError, DTypeError, DimensionError, MismatchError, UnsupportedError
        As :meth:`EmbeddingIndex.from_quantized`; also if the file has no rows, or something else is at ``path``.
    FileFormatError
        If a file is no such file, or cut off.
    BlockingIOError
        If another process builds or writes this index.
    OSError
        If the disk is full or fails; the same call goes on afterwards.
    """
    began, files = time.monotonic(), [os.fspath(name) for name in (file, ranges, keys) if name is not None]
    given = Quantized.of(mapped(os.fspath(file)), precision, None if ranges is None else mapped(os.fspath(ranges)))
    if not len(given):
        raise ParameterError(f"{os.fspath(file)} has no rows; an index is made of some")
    names = None if keys is None else checked_keys(list(key_lines(keys)), len(given))
    model, keep = model_of(given), None if given.of_bits else "int8"
    model.set_params(backend=backend)

    def create(folder: Path | None) -> EmbeddingIndex:
        return EmbeddingIndex.create(folder, model, kind=kind, keep=keep)

    create(None)  # raises what creating the index would
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
                index.prepare()  # lists are kept when it closes
        place.finish()
    return report
