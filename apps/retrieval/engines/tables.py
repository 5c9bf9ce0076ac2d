"""What a table in another engine has of an index: a form, which says what the columns mean, and rows in blocks.

A row has an id, the code, the key and the document if it has any, and the original if the index keeps one. Codes are
those of one bit a component, which engines compare by differing bits. Everything else is refused: read as bits, it
would be ranked wrongly, without a word.
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
"""Most bytes of codes and originals, and most rows, that are handed over at a time."""


@dataclass(frozen=True)
class Form:
    """What the columns of a table mean; kept beside it as JSON.

    Attributes
    ----------
    dim : int
        Bits of a code.
    metric : {"cosine", "ip", "l2"}
        What originals are compared by.
    dtype : {"int8", "float16", "float32"} or None
        Of the components of originals; None where there are none.
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
        """Whether the lengths of originals are kept too."""
        return self.metric != "cosine"

    def to_json(self) -> str:
        """Return the form as :meth:`of_json` takes it."""
        return json.dumps({"hdc-codes": 1, **asdict(self)})

    @classmethod
    def of_json(cls, text: str | bytes | None, table: str) -> Self:
        """Read a form.

        Raises
        ------
        FileFormatError
            If it is none: the table was not made by ``write``, or what says so was changed.
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
            raise FileFormatError(f"the table {table} has no codes that write has put there: {error!r}") from None
        return form


class Block(NamedTuple):
    """Consecutive rows.

    Attributes
    ----------
    ids : (n,) int64 array
    codes : (n, size) uint8 array
        The lowest bit of a byte is the first component of its eight; bits beyond the last component are 0.
    keys : list of n texts or None
    documents : list of n bytes or None
    originals : (n, width) array or None
        As the index keeps them: of one direction with the vectors, at any length.
    lengths : (n,) float32 array or None
        Of the vectors.
    """

    ids: Ids
    codes: Bytes
    keys: list[str | None]
    documents: list[bytes | None]
    originals: npt.NDArray[Any] | None
    lengths: npt.NDArray[np.float32] | None

    @property
    def entries(self) -> list[tuple[str | None, bytes | None]] | None:
        """Keys and documents; None where no row has either."""
        if any(self.keys) or any(document is not None for document in self.documents):
            return list(zip(self.keys, self.documents, strict=True))
        return None


class Rows:
    """The rows of an index as they are now, whatever is written meanwhile.

    Parameters
    ----------
    index : BinaryIndex, EmbeddingIndex or ShardedIndex

    Raises
    ------
    ParameterError
        If it is something else.
    UnsupportedError
        If its codes are not compared by differing bits, or its metric needs originals that it does not keep.
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
        """Yield blocks, by ascending ids.

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
        """Raise what reading the rows has raised, whatever an engine that read them makes of it."""
        try:
            yield
        except Exception as error:
            if self._error is not None and self._error is not error:
                raise self._error from error
            raise

    def empty(self) -> Block:
        """Return a block of no rows, whose arrays are of the same kinds."""
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
    """Return the form of a table of an index; raises UnsupportedError as :class:`Rows`."""
    if isinstance(index, EmbeddingIndex):
        check_model(index.model)
        metric, codes = index.metric, index.codes
    else:
        check_reader(index)
        metric, codes = "cosine", index
    if codes.levels > 1:
        raise UnsupportedError(
            f"codes of {codes.levels} bits a component are compared by cosines, and other engines count differing "
            "bits; make codes of one bit a component"
        )
    if codes.originals is None:
        if metric != "cosine":
            raise UnsupportedError(
                f"bits do not tell of metric={metric!r}; make the index with keep='int8', whose originals do"
            )
        return Form(codes.dim)
    return Form(codes.dim, metric, codes.originals.dtype, codes.originals.width)


_READ_BY: dict[type[Binarizer], str] = {
    RaBitQBinarizer: "estimates",
    GivenRaBitQBinarizer: "estimates",
    ScalarBinarizer: "levels",
    RecurrentBinarizer: "tables",
}
"""What compares codes that are not compared by differing bits."""


def check_model(model: Binarizer) -> None:
    """Raise UnsupportedError if the codes of a model are not compared by differing bits."""
    read = _READ_BY.get(type(model))
    if read is not None and not (isinstance(model, RecurrentBinarizer) and model.rounds == 0):
        raise UnsupportedError(
            f"codes of {model!r} are compared by {read}, and other engines count differing bits, which would rank them "
            "wrongly; use a SignBinarizer, an OrthoHashBinarizer or a RecurrentBinarizer(rounds=0)"
        )


def check_reader(codes: BinaryIndex) -> None:
    """Raise UnsupportedError if codes are those of a model that alone compares them."""
    model = None if codes.folder is None else codes.folder.parent / MODEL_FOLDER
    reader = codes.reader
    if reader is None and model is not None and (model / DESCRIPTION).is_file():
        reader = model_class(model)  # the codes of an index in a folder, opened without the model
    if reader in [model.__name__ for model in _READ_BY if model is not RecurrentBinarizer]:
        raise UnsupportedError(
            f"these are codes of a {reader}, whose differing bits say nothing; give the EmbeddingIndex that has them"
        )


def check_goes(model: Binarizer, form: Form, table: str) -> None:
    """Raise MismatchError if a table cannot be of codes of a model; UnsupportedError as :func:`check_model`."""
    check_model(model)
    width = model.n_features_in_ if form.dtype is not None else form.width
    if (model.bits, model.space_.metric, width) != (form.dim, form.metric, form.width):
        raise MismatchError(
            f"the model makes codes of {model.bits} bits for metric={model.space_.metric!r} of vectors of "
            f"{model.n_features_in_} components, and the table {table} has {form}; give the model of its index"
        )


def highest_first(codes: Bytes) -> Bytes:
    """Return codes with the first component of each eight in the highest bit, as bit strings of SQL have it."""
    return np.packbits(np.unpackbits(codes, axis=1, bitorder="little"), axis=1)


def table_name(table: str | tuple[str, str]) -> tuple[str, ...]:
    """Return the parts of a name: a table, or a schema and a table.

    Raises
    ------
    ParameterError
        If it is something else.
    """
    parts = (table,) if isinstance(table, str) else table
    if not isinstance(parts, tuple) or not 1 <= len(parts) <= 2 or not all(isinstance(p, str) and p for p in parts):
        raise wrong(table, "table", "a name, or a pair of a schema's and a table's")
    if any("\0" in part for part in parts):
        raise ParameterError("the name of a table cannot have a NUL")
    return parts


def fields_of(key: str | None, document: bytes | None) -> dict[str, str]:
    """Return the fields ``key`` and ``document`` (base64) of a row for an engine that takes JSON, if it has them."""
    fields = {} if key is None else {"key": key}
    return fields if document is None else {**fields, "document": base64.b64encode(document).decode()}


def library(name: str, extra: str) -> Any:
    """Import a library that an engine needs.

    Raises
    ------
    BackendUnavailableError
        If it is not installed; the text names the extra that brings it.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise BackendUnavailableError(f"{name} is not installed; pip install 'hdc-toolkit[{extra}]'") from None
