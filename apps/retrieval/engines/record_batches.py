"""Rows as Arrow's record batches, one per block, as DuckDB and LanceDB read them."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.engines.tables import Block, Bytes, Rows, library

CodeArray = Callable[[Any, Bytes], Any]
"""Makes an Arrow array of ``(n, size)`` bytes; takes pyarrow too."""


def reader(rows: Rows, extra: str, codes: CodeArray, *, half: bool, metadata: dict[str, str] | None = None) -> Any:
    """Return a ``pyarrow.RecordBatchReader`` with the columns id, code, original, length, key and document.

    Parameters
    ----------
    rows : Rows
    extra : str
        What brings pyarrow, for messages.
    codes : function of pyarrow and an (n, size) uint8 array
    half : bool
        Whether floats of 16 bits stay so; else they become float32.
    metadata : dict, optional
        Of the schema.
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
    """Return an ``(n, width)`` array as lists of fixed size."""
    return arrow.FixedSizeListArray.from_arrays(arrow.array(values.ravel()), values.shape[1])


def binaries(arrow: Any, codes: Bytes) -> Any:
    """Return ``(n, size)`` bytes as binary values of fixed size, without copying them."""
    kept = np.ascontiguousarray(codes)
    return arrow.FixedSizeBinaryArray.from_buffers(
        arrow.binary(codes.shape[1]), len(codes), [None, arrow.py_buffer(kept)]
    )
