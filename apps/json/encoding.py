"""Write the vectors of files of documents to a NumPy or Parquet file."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hdc.apps.json.encoder import JSONEncoder
from hdc.apps.json.indexing import Report
from hdc.apps.json.packing import sign_bits
from hdc.apps.json.reading import DocumentError, read, write_parquet
from hdc.apps.progress import counted
from hdc.errors import ParameterError
from hdc.words import word_count

SUFFIXES = (".npy", ".parquet")


def encode_files(
    files: list[str], output: str, encoder: JSONEncoder, fit: bool, rejects: str | None, options: dict[str, Any]
) -> Report:
    """Encode documents and write one vector each; memory does not grow with them, but for sources and keys.

    Parameters
    ----------
    files : list of str
        Read twice.
    output : str
        Ends in ``.npy`` or ``.parquet``; written aside and renamed.
    encoder : JSONEncoder
        ``output`` decides whether sign bits are written.
    fit : bool
        Whether the encoder learns from the documents first.
    rejects : str or None
    options : dict
        More parameters of :func:`hdc.apps.json.read`.

    Raises
    ------
    DocumentError
        If there is no document, or a bad one and none is skipped.
    ParameterError
        If ``output`` has another suffix.
    """
    if Path(output).suffix not in SUFFIXES:
        raise ParameterError(f"{output}: expected a name that ends in {' or '.join(SUFFIXES)}")
    first = read(files, **options)
    documents = (record.document for record in counted(first, "documents read"))
    if fit:
        encoder.profile_ = encoder.count(documents).build()
    else:
        for _ in documents:
            pass
    number = first.counts.read
    if not number:
        raise DocumentError(f"{', '.join(files)}: no document to encode")
    packed = encoder.output == "packed"
    width, dtype = (word_count(encoder.dim), np.uint64) if packed else (encoder.dim, np.float32)
    aside = f"{output}.part.npy"
    try:
        vectors = np.lib.format.open_memmap(aside, "w+", dtype, (number, width))
        second = read(files, rejects=rejects, **options)
        sources: list[str] = []
        keys: list[str | None] = []

        def noted() -> Iterator[Any]:
            for record in counted(second, "documents encoded"):
                sources.append(record.source)
                keys.append(record.key)
                yield record.document

        done = 0
        for part, _ in encoder.encode(noted()):
            vectors[done : done + len(part)] = sign_bits(part) if packed else part
            done += len(part)
        vectors.flush()
        if output.endswith(".parquet"):
            write_parquet(output, vectors, sources=sources, keys=keys if any(keys) else None)
        else:
            os.replace(aside, output)
    finally:
        Path(aside).unlink(missing_ok=True)
    return Report(number, second.counts.rejected)
