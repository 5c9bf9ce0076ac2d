"""Build an index of files: counted in a first pass, encoded in a second one, in parallel, and resumed if interrupted.

What is being built stands beside its place, in ``INDEX.building``, and is renamed when it is complete: an index
that is there is a whole one. The folder holds ``task`` (what is built of what: a run with another task begins
anew), ``profile`` (what the first pass learned), ``index`` (the store), ``journal`` (which batch begins at which
row; a line is on the disk before its batch is) and, for each part of the input, the records that were rejected.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import hdc
from hdc import checks, files
from hdc.apps.json.build.inputs import plan_again
from hdc.apps.json.build.parallel import in_order
from hdc.apps.json.document import paths
from hdc.apps.json.encoder.encoder import JSONEncoder
from hdc.apps.json.index.index import JSONIndex
from hdc.apps.json.index.rows import Rows, encode_rows, key_of
from hdc.apps.json.reading import STDIN, Counts, OnError, Part, Record, read_part
from hdc.apps.json.reading.reader import begin_rejects
from hdc.apps.json.reading.records import Rejects
from hdc.apps.json.reading.strict import DocumentError
from hdc.apps.json.values.learning import ProfileBuilder
from hdc.apps.progress import tracked
from hdc.errors import HDCError, ParameterError
from hdc.store import Store
from hdc.store.locking import WriterLock

SUFFIX = ".building"

PART_BYTES = 16 << 20
"""Bytes of a part that is worked on as a whole: what a process holds, and what is done again after an interruption."""

PROFILE = "json-profile"


@dataclass(frozen=True)
class Task:
    """What to read, and what to make of it.

    Attributes
    ----------
    paths : tuple of str
        Files and folders; ``-`` is standard input.
    encoder : JSONEncoder
    fit : bool
        Whether the encoder learns from the documents first.
    key : str or None
        Path of each document's key; of equal keys the last document stays.
    items : str or None
        Where the documents are inside each JSON value; see :func:`hdc.apps.json.read`.
    on_error : {"raise", "skip"}
    rejects : str or None
        File for the records that are left out.
    jobs : int
        Processes. The index is the same for any number.
    """

    paths: tuple[str, ...]
    encoder: JSONEncoder
    fit: bool = True
    key: str | None = None
    items: str | None = None
    on_error: OnError = "raise"
    rejects: str | None = None
    jobs: int = 1


@dataclass(frozen=True)
class Report:
    """What came of a task: documents in the index, and records left out."""

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
        If the disk is full or fails; the same call goes on afterwards.
    """
    task.encoder.check()
    Rejects(task.on_error, task.rejects, Counts())  # checks them
    checks.path(output, "output")
    _check_output(output, task.paths)
    folder = Path(output + SUFFIX)
    folder.mkdir(exist_ok=True)
    lock = WriterLock(folder)
    try:
        report = _Build(folder, task).run(output)
    except BaseException as error:
        if STDIN in task.paths or isinstance(error, DocumentError | ParameterError):  # nothing to go on with
            shutil.rmtree(folder)
        raise
    finally:
        lock.release()
    shutil.rmtree(folder)
    return report


def read_records(part: Part, task: Task, rejects: str | None = None) -> Iterator[Record]:
    """Yield the records of a part, those without a key rejected."""
    records = read_part(part, on_error=task.on_error, rejects=rejects, items=task.items)
    if task.key is None:
        yield from records
        return
    path, sink = paths.parse_path(task.key), Rejects(task.on_error, rejects, Counts())
    for record in records:
        try:
            key_of(record.document, path, record.source)
        except ParameterError as error:
            sink.add(DocumentError(str(error)), record.source, json.dumps(record.document).encode())
            continue
        yield record


@dataclass(frozen=True)
class _Count:
    """Work of the first pass."""

    task: Task

    def __call__(self, part: Part) -> ProfileBuilder:
        return self.task.encoder.count(record.document for record in read_records(part, self.task))


@dataclass(frozen=True)
class _Encode:
    """Work of the second pass; large parts, which cannot be divided, are left to the caller, batch by batch."""

    task: Task
    folder: Path

    def __call__(self, part: tuple[int, Part]) -> list[Rows] | None:
        return None if part[1].bytes > 2 * PART_BYTES else list(self.batches(*part))

    def batches(self, number: int, part: Part) -> Iterator[Rows]:
        key = None if self.task.key is None else paths.parse_path(self.task.key)
        rejects = None
        if self.task.on_error == "skip":
            rejects = str(self.folder / f"rejects-{number}")
            Path(rejects).unlink(missing_ok=True)
        encoder = copy(self.task.encoder)  # holds nothing of other parts: the last bits would depend on which
        yield from encode_rows(encoder, read_records(part, self.task, rejects), key)


class _Build:
    """A folder in which an index is made."""

    def __init__(self, folder: Path, task: Task) -> None:
        self.folder = folder
        self.parts = plan_again(task.paths, folder, PART_BYTES)
        if task.rejects is not None:
            begin_rejects(task.rejects, [part.path for part in self.parts])
        self.task = replace(task, jobs=min(task.jobs, len(self.parts)))
        self._begin()

    def run(self, output: str) -> Report:
        """Do what is left to do, and put the index in its place."""
        self._fit()
        documents = self._encode()
        rejected = self._join_rejects()
        _put_in_place(self.folder / "index", output, self.folder / "replaced")
        return Report(documents, rejected)

    def _begin(self) -> None:
        """Clear the folder, unless it holds the beginnings of this very task."""
        task = self.task
        options = {"version": hdc.__version__, "encoder": task.encoder.to_json(), "fit": task.fit, "key": task.key}
        options |= {"items": task.items, "on_error": task.on_error}
        inputs = [part.fingerprint for part in self.parts]
        now = json.loads(json.dumps({"options": options, "inputs": inputs}))
        before = _read_task(self.folder / "task")
        if before == now:
            print("going on with an interrupted run", file=sys.stderr)
            return
        if before is not None:
            changed = " and ".join(what for what in now if before.get(what) != now[what])
            print(f"an interrupted run had other {changed}; beginning anew", file=sys.stderr)
        for path in self.folder.iterdir():
            if path.name not in ("lock", "stdin"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        _write_durably(self.folder / "task", json.dumps(now).encode())

    def _fit(self) -> None:
        """Learn the profile from all parts, or load it."""
        if not self.task.fit:
            return
        path = self.folder / "profile"
        if not path.exists():
            builder = None
            counts = in_order(_Count(self.task), self.parts, self.task.jobs)
            for part in tracked(counts, len(self.parts), unit="parts read"):
                builder = part if builder is None else builder.merge(part)
            if builder is None or not builder.documents:
                raise DocumentError(f"{', '.join(self.task.paths)}: no document to learn from")
            fitted = self._fresh()
            fitted.profile_ = builder.build()
            files.save(path, PROFILE, fitted.to_json(), {})
        meta, _ = files.load(path, PROFILE)
        asked = self.task.encoder
        encoder = JSONEncoder.from_json(meta, asked.string_encoder, backend=asked.backend, device=asked.device)
        self.task = replace(self.task, encoder=encoder)

    def _fresh(self) -> JSONEncoder:
        return JSONEncoder(**self.task.encoder.get_params())

    def _encode(self) -> int:
        """Encode what is not in the store yet, and return the number of documents."""
        with self._open_index() as index, closing(_Journal(self.folder / "journal")) as journal:
            first, done = journal.next(index.rows())
            work = _Encode(self.task, self.folder)
            items = list(enumerate(self.parts))[first:]
            results = zip(items, in_order(work, items, self.task.jobs), strict=True)
            for item, held in tracked(results, len(self.parts), first, unit="parts indexed"):
                for number, rows in enumerate(work.batches(*item) if held is None else held):
                    if number >= done:
                        journal.write(item[0], number, index.rows())
                        index.append(rows, replace=True)
                done = 0
            return len(index)

    def _open_index(self) -> JSONIndex:
        path, task = self.folder / "index", self.task
        try:
            return JSONIndex.open(path, writable=True, string_encoder=task.encoder.string_encoder)
        except (HDCError, FileNotFoundError):  # not there, or not complete: no row was acknowledged
            shutil.rmtree(path, ignore_errors=True)
            (self.folder / "journal").unlink(missing_ok=True)
            return JSONIndex.create(path, task.encoder, key=task.key)

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
    """Which batch of which part begins at which row."""

    def __init__(self, path: Path) -> None:
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []  # a line that is cut short is none
        self._last = tuple(map(int, lines[-1].split())) if lines else None
        self._file = open(path, "ab")  # noqa: SIM115 - closed by close
        if lines:
            self._file.truncate(sum(len(line) + 1 for line in lines))

    def next(self, rows: int) -> tuple[int, int]:
        """Return part and batch to go on with, in an index of so many rows."""
        if self._last is None:
            return 0, 0
        part, batch, first = self._last
        return part, batch + (rows > first)

    def write(self, part: int, batch: int, row: int) -> None:
        """Note, durably, what is about to be added."""
        self._file.write(b"%d %d %d\n" % (part, batch, row))
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _check_output(output: str, inputs: tuple[str, ...]) -> None:
    """Fail before the work rather than after it, where an index cannot be put or would replace something else."""
    path = Path(output)
    if not output or not path.parent.is_dir():
        raise ParameterError(f"{output or 'no name'}: not a place for an index; name one in a folder that exists")
    if not os.path.lexists(path):
        return
    if any(os.path.exists(name) and os.path.samefile(name, path) for name in inputs):
        raise ParameterError(f"{output} is an input; name another place for the index")
    try:
        Store.open(path, JSONIndex.KIND, writable=True).close()
    except (HDCError, NotADirectoryError, FileNotFoundError):
        raise ParameterError(f"{output} exists and is no index; name another place, or remove it first") from None


def _put_in_place(made: Path, output: str, aside: Path) -> None:
    if os.path.lexists(output):
        os.replace(output, aside)
    os.replace(made, output)


def _read_task(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _write_durably(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
