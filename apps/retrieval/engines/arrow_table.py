"""Export an index to an Arrow table or Parquet file and import it again, with IVF lists, settings and model.

The columns are ``id``, ``code``, ``key`` and ``document``; ``list`` if the index has IVF lists; ``original`` and
``length`` if it keeps vectors. A code is a fixed-size list of bytes, which LanceDB can search, with the lowest bit of
a byte first; the metadata of the column say so. The metadata of the schema store the settings, the centroids and, for
an :class:`EmbeddingIndex`, the model.
"""

import base64
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc import checks
from hdc.apps.retrieval.binarizers import Binarizer, ScalarBinarizer, load
from hdc.apps.retrieval.binarizers.estimating import EstimatingBinarizer
from hdc.apps.retrieval.binarizers.files import ARRAYS, DESCRIPTION
from hdc.apps.retrieval.engines.exchange import BATCH, Numbered, codes_in
from hdc.apps.retrieval.engines.tables import library
from hdc.apps.retrieval.files.interchange import BITORDER
from hdc.apps.retrieval.index.binary import BinaryIndex
from hdc.apps.retrieval.index.embedding import EmbeddingIndex
from hdc.apps.retrieval.index.kept_options import ENTRY
from hdc.dispatch import numpy_backend, search_kernels
from hdc.errors import FileFormatError, HDCError, ParameterError
from hdc.files import replacing
from hdc.search.codes import CELLS, CODES, SCALE
from hdc.search.folders import filled
from hdc.search.ivf import Coarse
from hdc.search.options import options_of
from hdc.search.reranking import LENGTHS, ORIGINALS
from hdc.words import from_bytes, to_bytes, word_count

FORM, MODEL = b"hdc-binary-index", b"hdc-model"
"""Metadata of the schema: settings as JSON, and the files of a model as JSON."""

COARSE = "coarse"

Source = BinaryIndex | EmbeddingIndex


def to_arrow(index: Source) -> Any:
    """Return an index as a ``pyarrow.Table``; :func:`arrow_batches` needs less memory.

    Raises
    ------
    BackendUnavailableError
        If pyarrow is not installed.
    FileFormatError
        If the index is damaged.

    Examples
    --------
    >>> import hdc
    >>> from hdc.apps.retrieval import BinaryIndex
    >>> from hdc.apps.retrieval.engines.arrow_table import from_arrow, to_arrow
    >>> index = BinaryIndex(100)
    >>> _ = index.add(hdc.MAPB(100).symbols(range(5)), keys=["a", "b", "c", "d", "e"])
    >>> table = to_arrow(index)
    >>> table.schema.names, table["code"].type.list_size
    (['id', 'code', 'key', 'document'], 13)
    >>> from_arrow(table).keys([4])
    ['e']
    """
    return arrow_batches(index).read_all()


def arrow_batches(index: Source) -> Any:
    """Return a ``pyarrow.RecordBatchReader`` of the rows of an index, at most 65,536 per batch; raises as to_arrow."""
    arrow = library("pyarrow", "parquet")
    codes = codes_in(index)
    rows = Numbered(codes)
    schema = _schema(arrow, codes, _metadata(index, codes))
    return arrow.RecordBatchReader.from_batches(schema, _batches(arrow, codes, rows, schema))


def _metadata(index: Source, codes: BinaryIndex) -> dict[bytes, str]:
    meta = codes.store.meta
    originals = None if codes.originals is None else codes.originals.settings
    form = {"dim": codes.dim, "levels": codes.levels, "originals": originals, "kind": codes.kind}
    if meta.get(COARSE) is not None:
        form[COARSE] = meta[COARSE]
    if not isinstance(index, EmbeddingIndex):
        return {FORM: json.dumps(form)}
    if ENTRY in meta:
        form[ENTRY] = meta[ENTRY]
    with tempfile.TemporaryDirectory() as folder:
        index.model.save(folder)
        files = {name: base64.b64encode((Path(folder) / name).read_bytes()).decode() for name in (DESCRIPTION, ARRAYS)}
    return {FORM: json.dumps(form), MODEL: json.dumps(files)}


def _schema(arrow: Any, codes: BinaryIndex, metadata: dict[bytes, str]) -> Any:
    size = -(-codes.dim // 8) * codes.levels
    order = {BITORDER: "little"} | ({} if codes.reader is None else {"reader": codes.reader})
    fields = [
        arrow.field("id", arrow.int64()),
        arrow.field("code", arrow.list_(arrow.uint8(), size), metadata=order),
        arrow.field("key", arrow.string()),
        arrow.field("document", arrow.binary()),
    ]
    if codes.kind == "ivf":
        fields.append(arrow.field("list", arrow.int32()))
    if codes.originals is not None:
        number = arrow.from_numpy_dtype(codes.originals.dtype)
        fields.append(arrow.field("original", arrow.list_(number, codes.originals.width)))
        if codes.originals.lengths:
            fields.append(arrow.field("length", arrow.float32()))
    return arrow.schema(fields, metadata=metadata)


def _batches(arrow: Any, codes: BinaryIndex, rows: Numbered, schema: Any) -> Iterator[Any]:
    for part in rows.parts():
        words = rows.take(CODES, part).reshape(-1, word_count(codes.dim))
        own = rows.positions[part]
        entries = rows.snapshot.entries(own)
        columns = [
            arrow.array(rows.ids[part]),
            _lists(arrow, to_bytes(words, codes.dim, bitorder="little").reshape(len(own), -1)),
            arrow.array([key for key, _, _ in entries], arrow.string()),
            arrow.array([document for _, document, _ in entries], arrow.binary()),
        ]
        columns += [arrow.array(rows.take(CELLS, part)[:, 0])] if codes.kind == "ivf" else []
        if codes.originals is not None:
            columns.append(_lists(arrow, rows.take(ORIGINALS, part)))
            columns += [arrow.array(rows.take(LENGTHS, part)[:, 0])] if codes.originals.lengths else []
        yield arrow.RecordBatch.from_arrays(columns, schema=schema)


def _lists(arrow: Any, rows: npt.NDArray[Any]) -> Any:
    return arrow.FixedSizeListArray.from_arrays(arrow.array(np.ascontiguousarray(rows).ravel()), rows.shape[1])


def to_parquet(index: Source, path: str | os.PathLike[str]) -> None:
    """Write an index to a Parquet file, block by block. An existing file is replaced once the new one is complete.

    Raises
    ------
    BackendUnavailableError
        If pyarrow is not installed.
    OSError
        If the file cannot be written; an existing file stays unchanged.
    """
    parquet = library("pyarrow.parquet", "parquet")
    batches = arrow_batches(index)
    with replacing(path) as file, parquet.ParquetWriter(file, batches.schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


def from_arrow(table: Any, *, path: str | os.PathLike[str] | None = None, backend: str = "auto") -> Source:
    """Return the index that :func:`to_arrow` wrote to a table.

    Parameters
    ----------
    table : pyarrow.Table or pyarrow.RecordBatchReader
    path : path, optional
        A new folder for the index; after an error it does not exist.
    backend : str

    Returns
    -------
    BinaryIndex or EmbeddingIndex
        The type that was written, with the same kind and IVF lists.

    Raises
    ------
    FileFormatError
        If the table is damaged or :func:`to_arrow` did not make it.
    ParameterError
        If the folder is in use.
    """
    batches = table if hasattr(table, "read_next_batch") else table.to_batches(max_chunksize=BATCH)
    return _read(table.schema, batches, path, backend)


def from_parquet(
    path: str | os.PathLike[str], /, *, to: str | os.PathLike[str] | None = None, backend: str = "auto"
) -> Source:
    """Return the index that :func:`to_parquet` wrote to a file, read block by block.

    Parameters
    ----------
    path : path
    to : path, optional
        A new folder for the index; after an error it does not exist.
    backend : str

    Raises
    ------
    FileFormatError
        If the file is damaged or :func:`to_parquet` did not make it.
    ParameterError
        If the folder is in use.
    OSError
        If the file cannot be read.
    """
    parquet, arrow = library("pyarrow.parquet", "parquet"), library("pyarrow", "parquet")
    name = checks.path(path)
    try:
        with parquet.ParquetFile(name) as file:
            return _read(file.schema_arrow, file.iter_batches(batch_size=BATCH), to, backend)
    except arrow.ArrowException as error:
        raise FileFormatError(f"{name} is not a Parquet file, or is damaged: {error}") from error


def _read(schema: Any, batches: Iterator[Any], path: str | os.PathLike[str] | None, backend: str) -> Source:
    try:
        metadata = schema.metadata or {}
        form = json.loads(metadata[FORM])
        model = None if MODEL not in metadata else _model(json.loads(metadata[MODEL]), backend)
        _created(form, model, None, backend)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise FileFormatError(f"to_arrow did not make this table: {error!r}") from error

    def fill(made: Source) -> None:
        codes = made.codes if isinstance(made, EmbeddingIndex) else made
        for batch in batches:
            _append(codes, batch)

    def reopen(folder: Path) -> Source:
        kind = BinaryIndex if model is None else EmbeddingIndex
        return kind.open(folder, writable=True, backend=backend)

    return filled(path, lambda folder: _created(form, model, folder, backend), fill, reopen)


def _model(files: dict[str, str], backend: str) -> Binarizer:
    """Read a model from the metadata; raises ValueError, KeyError or FileFormatError if there is no valid model."""
    with tempfile.TemporaryDirectory() as folder:
        for name in (DESCRIPTION, ARRAYS):
            (Path(folder) / name).write_bytes(base64.b64decode(files[name], validate=True))
        return load(folder, backend)


def _created(form: dict[str, Any], model: Binarizer | None, path: Path | None, backend: str) -> Source:
    """Create an empty index with the settings of a table."""
    originals, kind = form["originals"], form.get("kind", "flat")
    made: Source
    if model is None:
        pair = originals and tuple(originals)
        made = codes = BinaryIndex(
            form["dim"], levels=form["levels"], kind=kind, originals=pair, path=path, backend=backend
        )
    else:
        keep = None if originals is None else originals[0]
        own = None if isinstance(model, EstimatingBinarizer | ScalarBinarizer) else kind
        made = EmbeddingIndex.create(path, model, kind=own, keep=keep)
        codes = made.codes
    found = [codes.dim, codes.levels, codes.kind, None if codes.originals is None else codes.originals.settings]
    if found != [form["dim"], form["levels"], kind, originals]:
        raise ParameterError(f"the settings {form} do not match those of the model, {found}")
    if COARSE in form:
        codes.set_centroids(
            Coarse.from_json(search_kernels(numpy_backend(backend, "an index")), form[COARSE]).centroids
        )
    if ENTRY in form and isinstance(made, EmbeddingIndex):
        made.set_defaults(options_of(made.kind, None, **form[ENTRY]))
    return made


def _append(codes: BinaryIndex, batch: Any) -> None:
    """Add the rows of a batch unchanged.

    Raises
    ------
    FileFormatError
        If a column is missing, has the wrong type, or has values that an index cannot have.
    """
    try:
        rows = _numbers(batch, "code", np.uint8).reshape(batch.num_rows * codes.levels, -1)
        said = (batch.schema.field("code").metadata or {}).get(BITORDER.encode(), b"little")
        words = from_bytes(rows, codes.dim, bitorder=said.decode()).reshape(batch.num_rows, -1)
        columns: dict[str, npt.NDArray[Any]] = {CODES: words}
        if (scale := codes.measure.scale(codes.shaped(words))) is not None:
            columns[SCALE] = scale[:, None]
        if codes.kind == "ivf":
            columns[CELLS] = _cells(codes, _numbers(batch, "list", np.int32))
        if codes.originals is not None:
            columns[ORIGINALS] = _numbers(batch, "original", np.dtype(codes.originals.dtype))
            if codes.originals.lengths:
                columns[LENGTHS] = _numbers(batch, "length", np.float32)
            if not all(np.isfinite(columns[name]).all() for name in (ORIGINALS, LENGTHS) if name in columns):
                raise ParameterError("an original has a NaN or infinity")
        keys, documents = batch.column("key").to_pylist(), batch.column("document").to_pylist()
        codes.store.append(columns, keys, documents, ids=_numbers(batch, "id", np.int64)[:, 0])
    except (HDCError, KeyError) as error:
        raise FileFormatError(f"to_arrow did not make this table: {error}") from error


def _numbers(batch: Any, name: str, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return a column as an ``(n, width)`` array; raises KeyError or ParameterError."""
    column = batch.column(name)
    if column.null_count:
        raise ParameterError(f"column {name!r} has nulls")
    if isinstance(column, library("pyarrow", "parquet").FixedSizeBinaryArray):  # earlier releases wrote codes so
        flat = np.frombuffer(b"".join(column.to_pylist()), dtype=np.uint8)
    else:
        values = column.flatten() if hasattr(column.type, "list_size") else column
        if values.null_count:
            raise ParameterError(f"column {name!r} has nulls")
        flat = values.to_numpy(zero_copy_only=False)
    if flat.dtype != np.dtype(dtype):
        raise ParameterError(f"column {name!r} must have {np.dtype(dtype)}, not {column.type}")
    return flat.reshape(batch.num_rows, -1) if batch.num_rows else flat.reshape(0, 1)


def _cells(codes: BinaryIndex, cells: npt.NDArray[Any]) -> npt.NDArray[Any]:
    lists = 0 if codes.coarse is None else len(codes.coarse.centroids)
    if len(cells) and not 0 <= cells.min() <= cells.max() < lists:
        raise ParameterError(f"column 'list' must have numbers of lists, which are below {lists}")
    return cells
