"""The contents of a table in another engine: a form, which describes the columns, and the rows in blocks.

A row has an id, a code, an optional key and document, and its original if the index keeps originals. Only codes of one
bit per component are written, because engines compare codes by Hamming distance. Other codes are rejected: an engine
would rank them wrongly without an error.
"""

import base64
import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers import (
    Binarizer,
    GivenRaBitQBinarizer,
    RaBitQBinarizer,
    RecurrentBinarizer,
    ScalarBinarizer,
)
from hdc.apps.retrieval.binarizers.files import DESCRIPTION, model_class
from hdc.apps.retrieval.files.interchange import to_bytes
from hdc.apps.retrieval.index.binary import BinaryIndex
from hdc.apps.retrieval.index.embedding import EmbeddingIndex
from hdc.apps.retrieval.index.folders import MODEL_FOLDER
from hdc.apps.retrieval.index.shards import ShardedIndex
from hdc.apps.retrieval.vectors.space import METRICS
from hdc.checks import choice, integer, wrong
from hdc.errors import BackendUnavailableError, FileFormatError, MismatchError, ParameterError, UnsupportedError
from hdc.search.codes import CODES
from hdc.search.live import live
from hdc.search.reranking import LENGTHS, ORIGINALS, Originals
from hdc.store import Snapshot
from hdc.words import MAX_DIM

Bytes = npt.NDArray[np.uint8]
Ids = npt.NDArray[np.int64]

Source = BinaryIndex | EmbeddingIndex | ShardedIndex

BLOCK_BYTES, BLOCK_ROWS = 1 << 25, 1 << 16
"""Most bytes of codes and originals, and most rows, per block."""


@dataclass(frozen=True)
class Form:
    """What the columns of a table mean; stored beside the table as JSON.

    Attributes
    ----------
    dim : int
        Bits of a code.
    metric : {"cosine", "ip", "l2"}
        The metric that compares originals.
    dtype : {"int8", "float16", "float32"} or None
        Component type of the originals; None if the table has no originals.
    width : int
        Components of an original.
    """

    dim: int
    metric: str = "cosine"
    dtype: str | None = None
    width: int = 0

    @property
    def size(self) -> int:
        """Bytes of a code."""
        return -(-self.dim // 8)

    @property
    def lengths(self) -> bool:
        """Whether the table also has the lengths of the originals."""
        return self.metric != "cosine"

    def to_json(self) -> str:
        """Return the form as JSON; :meth:`of_json` reads it."""
        return json.dumps({"hdc-codes": 1, **asdict(self)})

    @classmethod
    def of_json(cls, text: str | bytes | None, table: str) -> Self:
        """Read a form from its JSON.

        Raises
        ------
        FileFormatError
            If ``write`` did not make the table, or the stored form was changed.
        """
        try:
            entries = json.loads(text or "")
            if entries.pop("hdc-codes") != 1:
                raise ValueError("it is of another version")
            form = cls(**entries)
            integer(form.dim, "dim", 1, MAX_DIM), choice(form.metric, "metric", METRICS)
            if form.dtype is not None:
                Originals(form.dtype, form.width)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FileFormatError(f"write did not make the table {table}: {error!r}") from None
        return form


class Block(NamedTuple):
    """Consecutive rows.

    Attributes
    ----------
    ids : (n,) int64 array
    codes : (n, size) uint8 array
        The lowest bit of a byte is the first of its eight components; bits after the last component are 0.
    keys : list of n texts or None
    documents : list of n bytes or None
    originals : (n, width) array or None
        As the index stores them: they point in the direction of the vectors but may have any length.
    lengths : (n,) float32 array or None
        Lengths of the vectors.
    """

    ids: Ids
    codes: Bytes
    keys: list[str | None]
    documents: list[bytes | None]
    originals: npt.NDArray[Any] | None
    lengths: npt.NDArray[np.float32] | None

    @property
    def entries(self) -> list[tuple[str | None, bytes | None]] | None:
        """Keys and documents; None if no row has either."""
        if any(self.keys) or any(document is not None for document in self.documents):
            return list(zip(self.keys, self.documents, strict=True))
        return None


class Rows:
    """A snapshot of the rows of an index; later changes of the index do not affect it.

    Parameters
    ----------
    index : BinaryIndex, EmbeddingIndex or ShardedIndex

    Raises
    ------
    ParameterError
        If ``index`` is of another type.
    UnsupportedError
        If its codes are not compared by Hamming distance, or its metric needs originals that it does not keep.
    """

    def __init__(self, index: Source) -> None:
        if not isinstance(index, BinaryIndex | EmbeddingIndex | ShardedIndex):
            raise wrong(index, "index", "a BinaryIndex, EmbeddingIndex or ShardedIndex")
        parts = zip(index.shards, index.offsets, strict=True) if isinstance(index, ShardedIndex) else [(index, 0)]
        self._parts: list[tuple[Snapshot, int]] = []
        self._error: Exception | None = None
        for part, offset in parts:
            self.form = form_of(part)
            self._parts.append((part.store.snapshot, offset))

    def __len__(self) -> int:
        return sum(len(snapshot) for snapshot, _ in self._parts)

    def __iter__(self) -> Iterator[Block]:
        """Yield blocks of rows in ascending order of ids.

        Raises
        ------
        FileFormatError
            If the index is damaged.
        """
        row_bytes = self.form.size + 4 * self.form.width
        step = max(1, min(BLOCK_ROWS, BLOCK_BYTES // row_bytes))
        try:
            for snapshot, offset in self._parts:
                positions = live(snapshot)
                positions = positions[np.argsort(snapshot.ids[positions], kind="stable")]
                for start in range(0, len(positions), step):
                    yield self._block(snapshot, positions[start : start + step], offset)
        except Exception as error:
            self._error = error
            raise

    @contextmanager
    def errors_told(self) -> Iterator[None]:
        """Raise the error that reading the rows raised, even if an engine wrapped it in its own error."""
        try:
            yield
        except Exception as error:
            if self._error is not None and self._error is not error:
                raise self._error from error
            raise

    def empty(self) -> Block:
        """Return a block of no rows, with arrays of the same dtypes and widths."""
        return self._block(self._parts[0][0], np.empty(0, dtype=np.int64), 0)

    def _block(self, snapshot: Snapshot, positions: Ids, offset: int) -> Block:
        entries = snapshot.entries(positions)
        kept, form = self.form.dtype is not None, self.form
        return Block(
            snapshot.ids[positions] + offset,
            to_bytes(snapshot.take(CODES, positions), form.dim),
            [key for key, _, _ in entries],
            [document for _, document, _ in entries],
            snapshot.take(ORIGINALS, positions) if kept else None,
            snapshot.take(LENGTHS, positions)[:, 0] if kept and form.lengths else None,
        )


def form_of(index: BinaryIndex | EmbeddingIndex) -> Form:
    """Return the form of the table that an index is written to; raises UnsupportedError as :class:`Rows` does."""
    if isinstance(index, EmbeddingIndex):
        check_model(index.model)
        metric, codes = index.metric, index.codes
    else:
        check_reader(index)
        metric, codes = "cosine", index
    if codes.levels > 1:
        raise UnsupportedError(
            f"codes of {codes.levels} bits per component are compared by cosine, but other engines compare by Hamming "
            "distance; make codes of one bit per component"
        )
    if codes.originals is None:
        if metric != "cosine":
            raise UnsupportedError(
                f"codes alone cannot rank by metric={metric!r}; create the index with keep='int8' to write originals"
            )
        return Form(codes.dim)
    return Form(codes.dim, metric, codes.originals.dtype, codes.originals.width)


_READ_BY: dict[type[Binarizer], str] = {
    RaBitQBinarizer: "estimates",
    GivenRaBitQBinarizer: "estimates",
    ScalarBinarizer: "levels",
    RecurrentBinarizer: "tables",
}
"""What compares the codes of each binarizer whose codes are not compared by Hamming distance."""


def check_model(model: Binarizer) -> None:
    """Raise UnsupportedError if the codes of a model are not compared by Hamming distance."""
    read = _READ_BY.get(type(model))
    if read is not None and not (isinstance(model, RecurrentBinarizer) and model.rounds == 0):
        raise UnsupportedError(
            f"codes of {model!r} are compared by {read}; other engines' Hamming distance would rank them wrongly. "
            "Use a SignBinarizer, an OrthoHashBinarizer or a RecurrentBinarizer(rounds=0)"
        )


def check_reader(codes: BinaryIndex) -> None:
    """Raise UnsupportedError if only the model that made the codes can compare them."""
    model = None if codes.folder is None else codes.folder.parent / MODEL_FOLDER
    reader = codes.reader
    if reader is None and model is not None and (model / DESCRIPTION).is_file():
        reader = model_class(model)  # the codes of an index in a folder, opened without the model
    if reader in [model.__name__ for model in _READ_BY if model is not RecurrentBinarizer]:
        raise UnsupportedError(
            f"these are codes of a {reader}, which Hamming distance cannot compare; pass the EmbeddingIndex itself"
        )


def check_goes(model: Binarizer, form: Form, table: str) -> None:
    """Raise MismatchError if a model cannot have made the codes of a table; UnsupportedError as :func:`check_model`."""
    check_model(model)
    width = model.n_features_in_ if form.dtype is not None else form.width
    if (model.bits, model.space_.metric, width) != (form.dim, form.metric, form.width):
        raise MismatchError(
            f"the model makes codes of {model.bits} bits for metric={model.space_.metric!r} from vectors of "
            f"{model.n_features_in_} components, but the table {table} has {form}; pass the model of its index"
        )


def highest_first(codes: Bytes) -> Bytes:
    """Return codes with the first of each eight components in the highest bit, the order of bit strings in SQL."""
    return np.packbits(np.unpackbits(codes, axis=1, bitorder="little"), axis=1)


def table_name(table: str | tuple[str, str]) -> tuple[str, ...]:
    """Return the parts of a name: a table, or a schema and a table.

    Raises
    ------
    ParameterError
        If ``table`` is neither a name nor a pair of names, or a name has a NUL.
    """
    parts = (table,) if isinstance(table, str) else table
    if not isinstance(parts, tuple) or not 1 <= len(parts) <= 2 or not all(isinstance(p, str) and p for p in parts):
        raise wrong(table, "table", "a name, or a pair of names: (schema, table)")
    if any("\0" in part for part in parts):
        raise ParameterError(f"table must be a name without NUL characters, not {table!r}")
    return parts


def fields_of(key: str | None, document: bytes | None) -> dict[str, str]:
    """Return the fields ``key`` and ``document`` (base64), where the row has them, for an engine that takes JSON."""
    fields = {} if key is None else {"key": key}
    return fields if document is None else {**fields, "document": base64.b64encode(document).decode()}


def library(name: str, extra: str) -> Any:
    """Import a library that an engine needs.

    Raises
    ------
    BackendUnavailableError
        If it is not installed; the message names the extra that installs it.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise BackendUnavailableError(f"{name} is not installed; pip install 'hdc-toolkit[{extra}]'") from None
