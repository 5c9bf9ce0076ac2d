"""Build an index on a cluster: as a whole by Dask, or from partitions that any engine maps.

:func:`index` does what ``hdc json index --cluster`` does. The other functions are its pieces, for documents that are
already in partitions: a Dask bag, a Ray dataset, a Spark frame. :func:`count` and :func:`encode` are pure functions of
a partition that return bytes; :func:`fit` and :func:`gather` combine the bytes.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hdc import checks
from hdc.apps.json.build import encoded
from hdc.apps.json.build.encoded import Encoded, settings_of
from hdc.apps.json.build.index_build import Report, Task, build
from hdc.apps.json.document.paths import parse_path
from hdc.apps.json.encoder.encoder import JSONEncoder
from hdc.apps.json.index.index import JSONIndex
from hdc.apps.json.index.rows import STORED, Stored, encode_rows
from hdc.apps.json.index.taking import Taker
from hdc.apps.json.reading import LIMITS, Limits, OnError
from hdc.apps.json.values.learning import ProfileBuilder
from hdc.checks import choice
from hdc.errors import ParameterError
from hdc.search.build import Build

__all__ = ["Report", "count", "encode", "fit", "gather", "index"]


def index(
    paths: Sequence[str],
    output: str | os.PathLike[str],
    encoder: JSONEncoder | None = None,
    *,
    cluster: Any = "local",
    shared: str | None = None,
    key: str | None = None,
    vectors: Stored = "packed",
    fit: bool = True,
    items: str | None = None,
    on_error: OnError = "raise",
    rejects: str | None = None,
    limits: Limits = LIMITS,
) -> Report:
    """Build an index of files on a Dask cluster, equal to the last byte to one built on this machine.

    After an interruption, the same call resumes. A worker that dies loses nothing: its work is done again.

    Parameters
    ----------
    paths : sequence of str
        Files, folders and URLs, which all workers see by the same names.
    output : path
        Where the index goes, on this machine. One that is there is replaced.
    encoder : JSONEncoder, optional
        One with its defaults if not given.
    cluster : str or distributed.Client
        See :class:`~hdc.apps.cluster.Cluster`.
    shared : path or URL, optional
        A folder that workers write to and this process reads; beside ``output`` if not given.
    key, vectors
        As :meth:`JSONIndex.create`.
    fit : bool
        Whether the encoder learns from the documents first.
    items, on_error, rejects, limits
        As :func:`hdc.apps.json.read`.

    Returns
    -------
    Report
        ``documents`` in the index, and records ``rejected``.

    Raises
    ------
    DocumentError
        If a record is bad and none is skipped.
    ParameterError
        If a parameter is out of range.
    WorkerError
        If the cluster cannot be reached or is lost, or workers do not see a folder.
    OSError
        If the disk is full or fails.
    """
    task = Task(
        tuple(checks.texts(paths, "paths")),
        encoder or JSONEncoder(),
        vectors=vectors,
        fit=fit,
        key=key,
        items=items,
        on_error=on_error,
        rejects=rejects,
        limits=limits,
        cluster=cluster,
        shared=shared,
    )
    return build(os.fspath(output), task)


def count(documents: Iterable[Any], encoder: JSONEncoder) -> bytes:
    """Count the documents of a partition; :func:`fit` takes the counts of all.

    Parameters
    ----------
    documents : iterable of JSON values
    encoder : JSONEncoder

    Returns
    -------
    bytes
        Versioned and checksummed, without pickle.

    Raises
    ------
    ParameterError
        If a document is not JSON.
    """
    return encoder.count(documents).to_bytes()


def fit(encoder: JSONEncoder, counts: Iterable[bytes]) -> JSONEncoder:
    """Return an encoder fitted to all partitions, from what :func:`count` made of each.

    Parameters
    ----------
    encoder : JSONEncoder
        With which they were counted; it stays unchanged.
    counts : iterable of bytes
        In the order of the partitions, so that the result is always the same.

    Raises
    ------
    FileFormatError
        If counts are damaged.
    MismatchError
        If they were made with other settings.
    ParameterError
        If there are no documents.
    """
    whole, settings = None, encoder.count([]).settings
    for builder in map(ProfileBuilder.from_bytes, counts):
        builder.check_settings(settings)
        whole = builder if whole is None else whole.merge(builder)
    if whole is None or not whole.documents:
        raise ParameterError("fit needs at least one document, and no partition has one")
    fitted = encoder.frozen()
    fitted.profile_ = whole.build()
    return fitted


def encode(
    documents: Iterable[Any], encoder: JSONEncoder, *, key: str | None = None, vectors: Stored = "packed"
) -> bytes:
    """Encode the documents of a partition for :func:`gather`.

    Parameters
    ----------
    documents : iterable of JSON values
    encoder : JSONEncoder
    key, vectors
        As :meth:`JSONIndex.create`.

    Returns
    -------
    bytes
        Versioned and checksummed, without pickle; about twice as long as the texts.

    Raises
    ------
    ParameterError
        If a document is not JSON or has no key.
    """
    taker = Taker(encoder.values, encoder.layout, encoder.table())
    stored = None if vectors is None else choice(vectors, "vectors", STORED)
    rows = encode_rows(encoder.frozen(), documents, None if key is None else parse_path(key), taker, stored)
    return encoded.to_bytes(Encoded.joined(rows), settings=settings_of(encoder, key, stored))


def gather(
    parts: Iterable[bytes],
    output: str | os.PathLike[str],
    encoder: JSONEncoder,
    *,
    key: str | None = None,
    vectors: Stored = "packed",
) -> Report:
    """Build an index from the output of :func:`encode`; an existing one is replaced when the new one is complete.

    Parameters
    ----------
    parts : iterable of bytes
        Taken one by one, in order; ids are numbers in this order. Of equal keys the last document stays.
    output : path
    encoder, key, vectors
        As they were encoded with.

    Raises
    ------
    FileFormatError
        If a part is damaged.
    MismatchError
        If a part was encoded with another encoder, key or vectors.
    ParameterError
        If ``output`` cannot be an index.
    BlockingIOError
        If another process builds or writes this index.
    OSError
        If the disk is full or fails.
    """
    with Build(output, JSONIndex.KIND, resumable=False) as place:
        place.begin({"parts": "given one by one"})

        def create(path: Path) -> JSONIndex:
            return JSONIndex.create(path, encoder, key=key, vectors=vectors)

        with place.opened(lambda path: JSONIndex.open(path, writable=True), create) as made:
            settings = settings_of(encoder, key, vectors)
            for data in parts:
                encoded.add(made, encoded.from_bytes(data, settings)[0])
            documents = len(made)
        place.finish()
    return Report(documents, 0)
