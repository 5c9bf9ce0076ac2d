"""Encode rows in the binary format of PostgreSQL's COPY.

The manual's page on COPY describes the format: a signature, then per row the number of its fields and, per field, its
length and its bytes. Integers are big-endian. A ``bit(n)`` is n and then its bits, the first in the highest bit of its
byte. pgvector's ``vector`` and ``halfvec`` are the number of components and an unused zero, 16 bits each, and the
components.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.engines.tables import Block, Form, highest_first

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"

FLOAT4 = 700
"""Type number of ``real``, which the header of a ``real[]`` names."""


def copied(blocks: Iterable[Block], form: Form, original: str) -> Iterator[bytes]:
    """Yield the input of COPY, one chunk per block.

    The fields are id, code, original and length if the form has them, key and document.

    Parameters
    ----------
    blocks : iterable of Block
    form : Form
    original : {"halfvec", "vector", "real[]"}
        Type of the originals, if there are any.
    """
    yield HEADER
    for block in blocks:
        yield _rows(block, form, original)
    yield TRAILER


def _rows(block: Block, form: Form, original: str) -> bytes:
    fields: list[tuple[str, Any, Any]] = [
        ("id", np.dtype(">i8"), block.ids),
        ("code", _record(dim=">i4", bits=("u1", form.size)), {"dim": form.dim, "bits": highest_first(block.codes)}),
    ]
    if block.originals is not None:
        fields.append(("original", *_original(block.originals, original)))
    if block.lengths is not None:
        fields.append(("length", np.dtype(">f4"), block.lengths))
    row = np.dtype([("count", ">i2"), *((name, _record(size=">i4", value=dtype)) for name, dtype, _ in fields)])
    rows = np.zeros(len(block.ids), dtype=row)
    rows["count"] = len(fields) + 2
    for name, dtype, values in fields:
        rows[name]["size"] = dtype.itemsize
        _fill(rows[name]["value"], values)
    return _with_texts(rows, block.entries)


def _record(**fields: Any) -> np.dtype[Any]:
    return np.dtype([(name, *(kind if isinstance(kind, tuple) else (kind,))) for name, kind in fields.items()])


def _fill(place: npt.NDArray[Any], values: Any) -> None:
    """Write values into a field, or into the fields of a record."""
    if not isinstance(values, dict):
        place[...] = values
        return
    for name, own in values.items():
        place[name] = own


def _original(vectors: npt.NDArray[Any], kind: str) -> tuple[np.dtype[Any], dict[str, Any]]:
    """Return the dtype of a field of vectors, and the values of its parts."""
    width = vectors.shape[1]
    if kind == "real[]":
        item = _record(size=">i4", number=">f4")
        numbers = np.empty(vectors.shape, dtype=item)
        numbers["size"], numbers["number"] = 4, vectors
        whole = _record(axes=">i4", nulls=">i4", type=">i4", width=">i4", first=">i4", numbers=(item, width))
        return whole, {"axes": 1, "nulls": 0, "type": FLOAT4, "width": width, "first": 1, "numbers": numbers}
    numbers_kind = ">f2" if kind == "halfvec" else ">f4"
    return _record(width=">i2", unused=">i2", numbers=(numbers_kind, width)), {"width": width, "numbers": vectors}


def _with_texts(rows: npt.NDArray[Any], entries: list[tuple[str | None, bytes | None]] | None) -> bytes:
    """Return the bytes of rows: fixed fields, each row followed by its key and document."""
    if entries is None:
        whole = np.full((len(rows), rows.dtype.itemsize + 2 * len(NULL)), 0xFF, dtype=np.uint8)
        whole[:, : rows.dtype.itemsize] = rows.view(np.uint8).reshape(len(rows), -1)
        return whole.tobytes()
    content, size = rows.tobytes(), rows.dtype.itemsize
    parts: list[bytes] = []
    for number, (key, document) in enumerate(entries):
        text = None if key is None else key.encode()
        parts += (content[number * size : (number + 1) * size], *_field(text), *_field(document))
    return b"".join(parts)


def _field(value: bytes | None) -> tuple[bytes, ...]:
    return (NULL,) if value is None else (len(value).to_bytes(4), value)
