"""Export the rows of an index to a file, ``.npz`` or Parquet, block by block."""

import os
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from hdc.apps.progress import counted
from hdc.apps.retrieval.files.interchange import BITORDER, to_bytes
from hdc.apps.retrieval.index.binary import BinaryIndex
from hdc.errors import BackendUnavailableError, ParameterError
from hdc.files import replacing
from hdc.search.measures import Floats, Ids

BLOCK = 1 << 13
"""Rows per block that is written."""


def export(index: BinaryIndex, path: str, center: Floats | None = None) -> None:
    """Write ids, keys, and the originals that the index keeps, or else the codes.

    Originals are float32. They have length 1 unless the index keeps lengths. A ``(width,)`` center is added to them.

    ``.npz`` contains the arrays ``ids``, ``keys`` (text, empty for rows without a key) and ``vectors`` or ``codes``
    (uint64 words). ``.parquet`` contains the columns ``id``, ``key`` and ``vector`` or ``code`` (bytes, the lowest bit
    of each first, as the column's metadata state). ``hdc embed`` and ``hdc codes`` read both. Memory does not grow
    with the index, except for the keys in ``.npz``.

    Raises
    ------
    ParameterError
        If the name has another suffix.
    BackendUnavailableError
        If the file is Parquet and pyarrow is not installed.
    OSError
        If the file cannot be written; an existing file is then unchanged.
    """
    writers: dict[str, Callable[[BinaryIO, BinaryIndex, Floats | None], None]] = {
        ".npz": _write_npz,
        ".parquet": _write_parquet,
    }
    ending = os.path.splitext(path)[1]
    if ending not in writers:
        raise ParameterError(f"{path}: rows are written as {' or '.join(writers)}")
    with replacing(path) as file:
        writers[ending](file, index, center)


def _rows(index: BinaryIndex, center: Floats | None) -> Iterator[tuple[Ids, npt.NDArray[Any]]]:
    """Yield ids, ascending, with the content of their rows; yield one empty block if there are none."""
    ids = index.ids()
    for start in range(0, max(1, len(ids)), BLOCK):
        part = ids[start : start + BLOCK]
        if index.originals is None:
            yield part, index.codes(part)
        else:
            snapshot = index.store.snapshot
            vectors = index.originals.decoded(snapshot, snapshot.positions(part))
            yield part, vectors if center is None else vectors + center


def _write_npz(file: BinaryIO, index: BinaryIndex, center: Floats | None) -> None:
    name = "codes" if index.originals is None else "vectors"
    with zipfile.ZipFile(file, "w") as archive:
        with archive.open(f"{name}.npy", "w", force_zip64=True) as rows:
            _write_blocks(rows, (block for _, block in counted(_rows(index, center), "blocks written")), index)
        for name, array in (("ids", index.ids()), ("keys", np.array(_keys(index), dtype=str))):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def _write_blocks(file: Any, blocks: Iterator[npt.NDArray[Any]], index: BinaryIndex) -> None:
    """Write rows as one array; its header states their number in advance."""
    first = next(blocks)
    shape = (len(index), *first.shape[1:])
    header = {"descr": np.lib.format.dtype_to_descr(first.dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_2_0(file, header)
    file.write(first.tobytes())
    for block in blocks:
        file.write(block.tobytes())


def _keys(index: BinaryIndex) -> list[str]:
    return [key or "" for key in index.keys(index.ids())]


def _write_parquet(file: BinaryIO, index: BinaryIndex, center: Floats | None) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise BackendUnavailableError("Parquet needs pyarrow; pip install 'hdc-toolkit[parquet]'") from error
    size = -(-index.dim // 8) * index.levels
    value = pyarrow.binary(size)
    if index.originals is not None:
        value = pyarrow.list_(pyarrow.float32(), index.originals.width)
    name = "code" if index.originals is None else "vector"
    field = pyarrow.field(name, value, metadata={BITORDER: "little"} if index.originals is None else None)
    schema = pyarrow.schema([("id", pyarrow.int64()), ("key", pyarrow.string()), field])
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        for ids, rows in counted(_rows(index, center), "blocks written"):
            if index.originals is None:
                codes = to_bytes(rows.reshape(len(rows) * index.levels, -1), index.dim).reshape(len(rows), size)
                column = pyarrow.FixedSizeBinaryArray.from_buffers(value, len(rows), [None, pyarrow.py_buffer(codes)])
            else:
                column = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(rows.ravel()), index.originals.width)
            columns = [pyarrow.array(ids), pyarrow.array(index.keys(ids), pyarrow.string()), column]
            writer.write_batch(pyarrow.RecordBatch.from_arrays(columns, schema=schema))
