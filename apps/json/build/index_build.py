"""Build an index of files in parallel. A first pass counts, a second one encodes; an interrupted build resumes.

The folder of the :class:`~hdc.search.build.Build` also contains ``profile`` (what the first pass learned), ``journal``
(the first row of each batch; a line is on disk before its batch) and the rejected records of each part of the input.
"""

import os
import secrets
import shutil
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from copy import copy
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hdc
from hdc import files
from hdc.apps.cluster import Cluster
from hdc.apps.json.build.encoded import Encoded, add, from_bytes, to_bytes
from hdc.apps.json.build.inputs import SPOOL, keyed, plan_again
from hdc.apps.json.document import paths
from hdc.apps.json.encoder.encoder import JSONEncoder
from hdc.apps.json.index.index import JSONIndex
from hdc.apps.json.index.rows import Stored, encode_rows
from hdc.apps.json.index.taking import Taker
from hdc.apps.json.reading import STDIN, Counts, OnError, Part, Record, plan, read_part
from hdc.apps.json.reading.limits import LIMITS, Limits
from hdc.apps.json.reading.opening import expand, name_of
from hdc.apps.json.reading.reader import begin_rejects
from hdc.apps.json.reading.records import Rejects
from hdc.apps.json.reading.strict import DocumentError
from hdc.apps.json.values.learning import ProfileBuilder
from hdc.apps.progress import tracked
from hdc.apps.storage import Folder, is_url
from hdc.apps.workers import Workers
from hdc.errors import ParameterError
from hdc.search.build import Build

PART_BYTES = 16 << 20
"""Bytes of a part: what a process has in memory, and what is repeated after an interruption."""

PROFILE = "json-profile"


@dataclass(frozen=True)
class Task:
    """What to read, and what to make of it.

    Attributes
    ----------
    paths : tuple of str
        Files and folders; ``-`` is standard input.
    encoder : JSONEncoder
    vectors : {"packed", "float16", None}
        The form of stored vectors.
    fit : bool
        Whether the encoder learns from the documents first.
    key : str or None
        Path of each document's key; of equal keys the last document stays.
    items : str or None
        Where the documents are inside each JSON value; see :func:`hdc.apps.json.read`.
    on_error : {"raise", "skip"}
    rejects : str or None
        File for the records that are skipped.
    jobs : int
        Processes. The index is the same for any number.
    limits : Limits
        Limits on the input.
    cluster : str, distributed.Client or None
        A Dask cluster that works in the place of processes here; see :class:`~hdc.apps.cluster.Cluster`. The index is
        the same. Workers see the inputs, and ``shared``, by the same names.
    shared : path, URL or None
        Where workers of a cluster store encoded parts until they are added; beside the index if None.
    """

    paths: tuple[str, ...]
    encoder: JSONEncoder
    vectors: Stored = "packed"
    fit: bool = True
    key: str | None = None
    items: str | None = None
    on_error: OnError = "raise"
    rejects: str | None = None
    jobs: int = 1
    limits: Limits = LIMITS
    cluster: Any = None
    shared: str | None = None


@dataclass(frozen=True)
class Report:
    """The result of a task: documents in the index, and skipped records."""

    documents: int
    rejected: int


def build(output: str, task: Task) -> Report:
    """Build an index, or go on where an interrupted run of the same task stopped; one at ``output`` is replaced.

    Raises
    ------
    DocumentError
        If a record is bad and none is skipped; nothing is left behind then.
    ParameterError
        If a parameter is out of range, or ``output`` is a place for no index.
    BlockingIOError
        If another process builds or writes this index.
    OSError
        If the disk is full or fails; the same call resumes.
    WorkerError
        If processes, or the cluster, end before their work; the same call resumes.
    """
    task.encoder.check()
    Rejects(task.on_error, task.rejects, Counts())  # raises if an option is invalid
    if task.shared is not None and task.cluster is None:
        raise ParameterError("shared is for the workers of a cluster; name a cluster, too")
    with (
        Workers(task.jobs) if task.cluster is None else Cluster(task.cluster) as workers,
        Build(
            output,
            JSONIndex.KIND,
            inputs=task.paths,
            resumable=STDIN not in task.paths,
            hopeless=(DocumentError, ParameterError),
        ) as place,
    ):
        return _Making(place, task, workers).run()


def read_records(part: Part, task: Task, rejects: str | None = None) -> Iterator[Record]:
    """Yield the records of a part, those without a key rejected."""
    records = read_part(part, on_error=task.on_error, rejects=rejects, items=task.items)
    return keyed(records, task.key, Rejects(task.on_error, rejects, Counts()))


@dataclass(frozen=True)
class _Plan:
    """Work before the first pass on a cluster: lines of large files are counted."""

    part_bytes: int
    limits: Limits

    def __call__(self, file: tuple[str, str]) -> list[Part]:
        """Return the parts of a file, given its path in any working folder and the name that the user typed."""
        parts = plan([file[0]], self.part_bytes, limits=self.limits)
        return [replace(part, path=file[1], name=name_of(file[1])) for part in parts]


def _anywhere(path: str) -> str:
    """Return the name of a file, valid in any working folder."""
    return path if is_url(path) else os.path.abspath(path)


@dataclass(frozen=True)
class _Count:
    """Work of the first pass."""

    task: Task

    def __call__(self, part: Part) -> ProfileBuilder:
        return self.task.encoder.count(read_records(part, self.task))


@dataclass(frozen=True)
class _CountThere:
    """Work of the first pass on a cluster."""

    count: _Count

    def __call__(self, part: Part) -> bytes:
        return self.count(part).to_bytes()


@dataclass(frozen=True)
class _Encode:
    """Work of the second pass in this process; large parts, which cannot be divided, go to the caller in pieces."""

    task: Task
    folder: Path

    def __call__(self, part: tuple[int, Part]) -> list[Encoded] | None:
        return None if part[1].bytes > 2 * PART_BYTES else list(self.pieces(*part))

    def pieces(self, number: int, part: Part) -> Iterator[Encoded]:
        """Yield the documents of a part in pieces: a large part in batches, others as one piece."""
        key = None if self.task.key is None else paths.parse_path(self.task.key)
        rejects = None
        if self.task.on_error == "skip":
            rejects = str(self.folder / f"rejects-{number}")
            Path(rejects).unlink(missing_ok=True)
        encoder = copy(self.task.encoder)  # a fresh copy: cached vectors of other parts would change the last bits
        records = read_records(part, self.task, rejects)
        batches = encode_rows(encoder, records, key, self._taker, self.task.vectors)
        yield from (Encoded.one_by_one if part.bytes > 2 * PART_BYTES else Encoded.joined)(batches)

    @cached_property
    def _taker(self) -> Taker:
        encoder = self.task.encoder
        return Taker(encoder.values, encoder.layout, encoder.table())


@dataclass(frozen=True)
class _EncodeThere:
    """Work of the second pass on a cluster: the pieces of a part as bytes, with its rejected records at the end."""

    task: Task

    def __call__(self, part: tuple[int, Part]) -> Iterator[bytes]:
        with TemporaryDirectory(prefix="hdc-") as folder:
            held, size = list[Encoded](), 0
            for piece in _Encode(self.task, Path(folder)).pieces(*part):
                held.append(piece)
                size += piece.bytes
                if size > PART_BYTES:
                    yield to_bytes(held)
                    held, size = [], 0
            rejects = Path(folder, f"rejects-{part[0]}")
            yield to_bytes(held, rejects.read_bytes() if rejects.exists() else b"")


class _Making:
    """The work on one task in the folder of a build."""

    def __init__(self, place: Build, task: Task, workers: Workers | Cluster) -> None:
        self.place, self.folder, self.workers = place, place.folder, workers
        self.parts = self._planned(task)
        if task.rejects is not None:
            begin_rejects(task.rejects, [part.path for part in self.parts])
        self.task = replace(task, cluster=None)  # a Dask client cannot be sent to workers
        if isinstance(workers, Workers):
            workers.jobs = min(task.jobs, len(self.parts))
        options = {"version": hdc.__version__, "encoder": task.encoder.to_json(), "fit": task.fit, "key": task.key}
        options |= {"vectors": task.vectors, "items": task.items, "on_error": task.on_error}
        options |= {"limits": asdict(task.limits)}
        inputs = [part.fingerprint for part in self.parts]
        told = place.begin({"options": options, "inputs": inputs}, keep=[SPOOL])
        if told is not None:
            print(told, file=sys.stderr)
        if isinstance(workers, Cluster):  # a worker has its own working folder
            self.parts = [replace(part, path=_anywhere(part.path)) for part in self.parts]

    def _planned(self, task: Task) -> list[Part]:
        if isinstance(self.workers, Workers) or STDIN in task.paths:
            return plan_again(task.paths, self.folder, PART_BYTES, task.limits)
        files, _ = expand(task.paths)
        named = [(_anywhere(str(file)), str(file)) for file in files]
        planned = self.workers.in_order(_Plan(PART_BYTES, task.limits), named)
        return [part for parts in planned for part in parts]

    def run(self) -> Report:
        """Do the remaining work, and move the index to its place."""
        self._fit()
        documents = self._encode()
        rejected = self._join_rejects()
        self.place.finish()
        return Report(documents, rejected)

    def _fit(self) -> None:
        """Learn the profile from all parts, or load a saved one."""
        if not self.task.fit:
            return
        path, encoder = self.folder / "profile", self._fresh()
        if path.exists():
            meta, _ = files.load(path, PROFILE)
            encoder.profile_ = JSONEncoder.from_json(meta, encoder.string_encoder).profile_
        else:
            builder = None
            for part in tracked(self._counts(), len(self.parts), unit="parts read"):
                builder = part if builder is None else builder.merge(part)
            if builder is None or not builder.documents:
                raise DocumentError(f"{', '.join(self.task.paths)}: no document to learn from")
            encoder.profile_ = builder.build()
            files.save(path, PROFILE, encoder.to_json(), {})
        self.task = replace(self.task, encoder=encoder)

    def _counts(self) -> Iterator[ProfileBuilder]:
        if isinstance(self.workers, Workers):
            return self.workers.in_order(_Count(self.task), self.parts)
        return map(ProfileBuilder.from_bytes, self.workers.in_order(_CountThere(_Count(self.task)), self.parts))

    def _fresh(self) -> JSONEncoder:
        return JSONEncoder(**self.task.encoder.get_params())

    def _encode(self) -> int:
        """Encode what the store does not have yet, and return the number of documents."""
        with self._open_index() as index, closing(_Journal(self.folder / "journal")) as journal:
            first, done = journal.next(index.rows())
            with closing(self._encoded(list(enumerate(self.parts))[first:])) as encoded:
                for number, pieces in enumerate(tracked(encoded, len(self.parts), first, unit="parts indexed"), first):
                    note = partial(journal.write, index, number)
                    add(index, pieces, done=done, note=note)
                    done = 0
            return len(index)

    def _encoded(self, items: list[tuple[int, Part]]) -> Generator[Iterable[Encoded]]:
        """Yield the pieces of each part."""
        if isinstance(self.workers, Workers):
            work = _Encode(self.task, self.folder)
            for item, pieces in zip(items, self.workers.in_order(work, items), strict=True):
                yield work.pieces(*item) if pieces is None else pieces
            return
        shared = Folder(self.task.shared or self.folder).inner(f"encoded-{secrets.token_hex(4)}")
        shared.create()
        try:
            there = self.workers.through(shared, _EncodeThere(self.task), items)
            for (number, _), encoded in zip(items, there, strict=True):
                yield self._read(number, encoded)
        finally:
            shared.remove()

    def _read(self, number: int, encoded: Iterable[bytes]) -> Iterator[Encoded]:
        """Yield the pieces of a part that a cluster encoded, and save its rejected records."""
        for data in encoded:
            pieces, rejects = from_bytes(data)
            yield from pieces
            if rejects:
                (self.folder / f"rejects-{number}").write_bytes(rejects)

    def _open_index(self) -> JSONIndex:
        task = self.task

        def create(path: Path) -> JSONIndex:
            (self.folder / "journal").unlink(missing_ok=True)
            return JSONIndex.create(path, task.encoder, key=task.key, vectors=task.vectors)

        strings = task.encoder.string_encoder
        return self.place.opened(lambda path: JSONIndex.open(path, writable=True, string_encoder=strings), create)

    def _join_rejects(self) -> int:
        """Write all rejected records to one file, in the order of the input, and return their number."""
        number = 0
        aside = self.folder / "rejects"
        with open(aside, "wb") as file:
            for part in range(len(self.parts)):
                path = self.folder / f"rejects-{part}"
                if path.exists():
                    with open(path, "rb") as lines:
                        for line in lines:
                            number += 1
                            file.write(line)
        if self.task.rejects is not None:
            shutil.copyfile(aside, self.task.rejects)
        return number


class _Journal:
    """The journal: which batch of which part starts at which row."""

    def __init__(self, path: Path) -> None:
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []  # a truncated line is ignored
        self._last = tuple(map(int, lines[-1].split())) if lines else None
        self._file = open(path, "ab")  # noqa: SIM115 - closed by close
        if lines:
            self._file.truncate(sum(len(line) + 1 for line in lines))

    def next(self, rows: int) -> tuple[int, int]:
        """Return the part and batch to resume with, in an index of this many rows."""
        if self._last is None:
            return 0, 0
        part, batch, first = self._last
        return part, batch + (rows > first)

    def write(self, index: JSONIndex, part: int, batch: int) -> None:
        """Record durably what is about to be added to an index."""
        self._file.write(b"%d %d %d\n" % (part, batch, index.rows()))
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()
