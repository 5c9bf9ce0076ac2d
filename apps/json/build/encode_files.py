"""Write the vectors of documents to a NumPy or Parquet file."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.json.build.inputs import Inputs
from hdc.apps.json.encoder.encoder import JSONEncoder
from hdc.apps.json.encoder.sign_bits import sign_bits
from hdc.apps.json.reading import DocumentError, Record, write_parquet
from hdc.apps.progress import counted
from hdc.checks import path
from hdc.errors import ParameterError
from hdc.words import word_count

SUFFIXES = (".npy", ".parquet")


def encode_files(
    inputs: Inputs, output: str, encoder: JSONEncoder, *, fit: bool = True, rejects: str | None = None
) -> None:
    """Encode documents and write one vector each; memory does not grow with them, but for sources and keys.

    Parameters
    ----------
    inputs : Inputs
        Read twice.
    output : str
        Ends in ``.npy`` or ``.parquet``; written aside and renamed.
    encoder : JSONEncoder
        Its ``output`` decides whether sign bits are written.
    fit : bool
        Whether the encoder learns from the documents first.
    rejects : str or None
        File for the records that are left out.

    Raises
    ------
    DocumentError
        If there is no document, or a bad one and none is skipped.
    ParameterError
        If ``output`` has another suffix.
    """
    if path(output, "output").suffix not in SUFFIXES:
        raise ParameterError(f"{output}: expected a name that ends in {' or '.join(SUFFIXES)}")
    builder = encoder.count(record.document for record in counted(inputs.read(), "documents read"))
    if not builder.documents:
        raise DocumentError("there is no document to encode")
    if fit:
        encoder.profile_ = builder.build()
    packed = encoder.output == "packed"
    width, dtype = (word_count(encoder.dim), np.uint64) if packed else (encoder.dim, np.float32)
    aside = f"{output}.part.npy"
    try:
        vectors = np.lib.format.open_memmap(aside, "w+", dtype, (builder.documents, width))
        records: list[Record] = []
        _fill(vectors, encoder, _noted(counted(inputs.read(rejects), "documents encoded"), records))
        vectors.flush()
        if output.endswith(".parquet"):
            keys = [record.key for record in records]
            sources = [record.source for record in records]
            write_parquet(output, vectors, sources=sources, keys=keys if any(keys) else None)
        else:
            os.replace(aside, output)
    finally:
        Path(aside).unlink(missing_ok=True)


def _noted(records: Iterator[Record], notes: list[Record]) -> Iterator[Any]:
    """Yield the documents of records, and note the rest."""
    for record in records:
        notes.append(Record(None, record.source, record.key))
        yield record.document


def _fill(vectors: npt.NDArray[Any], encoder: JSONEncoder, documents: Iterator[Any]) -> None:
    done = 0
    for part, _ in encoder.encode(documents):
        vectors[done : done + len(part)] = sign_bits(part) if encoder.output == "packed" else part
        done += len(part)
