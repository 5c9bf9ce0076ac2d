"""Rows as Arrow record batches, one per block, for DuckDB and LanceDB."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.engines.tables import Block, Bytes, Rows, library

CodeArray = Callable[[Any, Bytes], Any]
"""Function that takes pyarrow and ``(n, size)`` bytes and returns an Arrow array."""


def reader(rows: Rows, extra: str, codes: CodeArray, *, half: bool, metadata: dict[str, str] | None = None) -> Any:
    """Return a ``pyarrow.RecordBatchReader`` with the columns id, code, original, length, key and document.

    Parameters
    ----------
    rows : Rows
    extra : str
        The extra that installs pyarrow, for error messages.
    codes : function of pyarrow and an (n, size) uint8 array
    half : bool
        Whether to keep float16; otherwise it becomes float32.
    metadata : dict, optional
        Metadata of the schema.
    """
    arrow = library("pyarrow", extra)

    def batch(block: Block) -> Any:
        columns = {"id": arrow.array(block.ids), "code": codes(arrow, block.codes)}
        if block.originals is not None:
            kept = block.originals.astype(np.float32) if block.originals.dtype == "f2" and not half else block.originals
            columns["original"] = lists(arrow, kept)
        if block.lengths is not None:
            columns["length"] = arrow.array(block.lengths)
        columns["key"] = arrow.array(block.keys, arrow.string())
        columns["document"] = arrow.array(block.documents, arrow.binary())
        return arrow.RecordBatch.from_arrays(list(columns.values()), names=list(columns))

    schema = batch(rows.empty()).schema.with_metadata(metadata)

    def batches() -> Iterator[Any]:
        for block in rows:
            yield batch(block).replace_schema_metadata(metadata)

    return arrow.RecordBatchReader.from_batches(schema, batches())


def lists(arrow: Any, values: npt.NDArray[Any]) -> Any:
    """Return an ``(n, width)`` array as an Arrow array of fixed-size lists."""
    return arrow.FixedSizeListArray.from_arrays(arrow.array(values.ravel()), values.shape[1])


def binaries(arrow: Any, codes: Bytes) -> Any:
    """Return ``(n, size)`` bytes as an Arrow array of fixed-size binaries, without a copy."""
    kept = np.ascontiguousarray(codes)
    return arrow.FixedSizeBinaryArray.from_buffers(
        arrow.binary(codes.shape[1]), len(codes), [None, arrow.py_buffer(kept)]
    )
