"""Write the vectors of documents to a NumPy or Parquet file. A first pass counts, a second one encodes."""

import os
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from hdc.apps.json.build.inputs import Inputs
from hdc.apps.json.encoder.encoder import JSONEncoder
from hdc.apps.json.encoder.sign_bits import sign_bits
from hdc.apps.json.reading import Counts, DocumentError, OnError, Part, Record, read_part, write_parquet
from hdc.apps.json.reading.reader import begin_rejects
from hdc.apps.json.values.learning import ProfileBuilder
from hdc.apps.progress import tracked
from hdc.apps.workers import Workers
from hdc.checks import integer, path
from hdc.errors import ParameterError
from hdc.words import word_count

SUFFIXES = (".npy", ".parquet")

PART_BYTES = 16 << 20
"""Bytes of a part, the unit of work of a process. The learned profile depends slightly on the parts, so their size does
not depend on the number of processes."""


def encode_files(
    inputs: Inputs, output: str, encoder: JSONEncoder, *, fit: bool = True, rejects: str | None = None, jobs: int = 1
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
        File for the records that are skipped.
    jobs : int
        Processes, each of which encodes one part of the inputs at a time. The file is the same for any number.

    Raises
    ------
    DocumentError
        If there are no documents, or a document is bad and bad ones are not skipped.
    ParameterError
        If ``output`` has another suffix, or ``jobs`` is below 1.
    WorkerError
        If a process ends before its work.
    """
    if path(output, "output").suffix not in SUFFIXES:
        raise ParameterError(f"{output}: expected a name that ends in {' or '.join(SUFFIXES)}")
    with Workers(min(integer(jobs, "jobs", 1), len(inputs.parts))) as workers:
        _encode_by(workers, inputs, output, encoder, fit, rejects)


def _encode_by(
    workers: Workers, inputs: Inputs, output: str, encoder: JSONEncoder, fit: bool, rejects: str | None
) -> None:
    rows, builder = _counted(inputs, encoder, workers)
    if builder is None or not builder.documents:
        raise DocumentError("there is no document to encode")
    if fit:
        encoder.profile_ = builder.build()
    if rejects is not None:
        begin_rejects(rejects, [part.path for part in inputs.parts])
    packed = encoder.output == "packed"
    width, dtype = (word_count(encoder.dim), np.uint64) if packed else (encoder.dim, np.float32)
    aside = f"{output}.part.npy"
    try:
        vectors = np.lib.format.open_memmap(aside, "w+", dtype, (builder.documents, width))
        with TemporaryDirectory(prefix="hdc-") as folder:
            work = _Encode(encoder, inputs.on_error, inputs.items, aside, folder if rejects is not None else None)
            records = _encoded(inputs, work, rows, workers)
            if rejects is not None:
                _join(rejects, folder, len(inputs.parts))
        if output.endswith(".parquet"):
            keys = [record.key for record in records]
            sources = [record.source for record in records]
            write_parquet(output, vectors, sources=sources, keys=keys if any(keys) else None)
        else:
            os.replace(aside, output)
    finally:
        Path(aside).unlink(missing_ok=True)


@dataclass(frozen=True)
class _Count:
    """Work of the first pass."""

    encoder: JSONEncoder
    on_error: OnError
    items: str | None

    def __call__(self, part: Part) -> ProfileBuilder:
        records = read_part(part, on_error=self.on_error, items=self.items)
        return self.encoder.count(records)


@dataclass(frozen=True)
class _Encode:
    """Work of the second pass: encode a part into its rows of the file, which all processes share."""

    encoder: JSONEncoder
    on_error: OnError
    items: str | None
    aside: str
    rejects: str | None

    def __call__(self, task: tuple[int, int, Part]) -> tuple[list[Record], Counts]:
        """Return the records without their documents, and the number of documents."""
        number, row, part = task
        rejects = None if self.rejects is None else str(Path(self.rejects, str(number)))
        records = read_part(part, on_error=self.on_error, rejects=rejects, items=self.items)
        vectors = np.lib.format.open_memmap(self.aside, "r+")
        encoder = copy(self.encoder)  # a fresh copy: cached vectors of other parts would change the last bits
        noted: list[Record] = []
        for encoded, _ in encoder.encode(_noted(records, noted)):
            vectors[row : row + len(encoded)] = sign_bits(encoded) if encoder.output == "packed" else encoded
            row += len(encoded)
        vectors.flush()
        return noted, records.counts


def _counted(inputs: Inputs, encoder: JSONEncoder, workers: Workers) -> tuple[list[int], ProfileBuilder | None]:
    """Return the first row of each part's documents, and the profile learned from all documents."""
    rows, builder = [0], None
    work = _Count(encoder, inputs.on_error, inputs.items)
    for part in tracked(workers.in_order(work, inputs.parts), len(inputs.parts), unit="parts read"):
        rows.append(rows[-1] + part.documents)
        builder = part if builder is None else builder.merge(part)
    return rows, builder


def _encoded(inputs: Inputs, work: _Encode, rows: list[int], workers: Workers) -> list[Record]:
    """Encode all parts, count the records read, and return them without their documents."""
    inputs.counts = counts = Counts()
    found: list[Record] = []
    tasks = [(number, row, part) for number, (row, part) in enumerate(zip(rows, inputs.parts, strict=False))]
    for records, own in tracked(workers.in_order(work, tasks), len(tasks), unit="parts encoded"):
        found += records
        counts.read += len(records)
        counts.rejected += own.rejected
    return found


def _noted(records: Iterator[Record], notes: list[Record]) -> Iterator[Any]:
    """Yield the documents of records, and collect the other records."""
    for record in records:
        notes.append(Record(None, record.source, record.key))
        yield record


def _join(rejects: str, folder: str, parts: int) -> None:
    """Write the rejected records of all parts to one file, in the order of the input."""
    with open(rejects, "ab") as file:
        for own in (Path(folder, str(number)) for number in range(parts)):
            if own.exists():
                file.write(own.read_bytes())
