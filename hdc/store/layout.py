"""The folder of a store: which part of it counts, and which version it has.

::

    index/
      lock           who writes, while someone does
      current        kind, format and the edition that counts; replaced as a whole
      0/             an edition: everything, until `compact` or a migration writes the next one
        commits      the log: what counts, see `log`
        codes        a column: rows of fixed width, nothing else
        row.ids      the id of each row, once ids differ from positions
        row.table    where each row's key, source and document are, once a row has one; see `entries`
        row.texts    the bytes of keys, sources and documents
        row.dead     positions of the rows that were removed or replaced
        seal         end of the log; there only while no writer is at work

An edition is written aside, synced and then made the current one, so that a crash leaves the old or the new.
"""

import shutil
from pathlib import Path
from typing import Any

from hdc import checks, files
from hdc.errors import FileFormatError, FileKindError, ParameterError
from hdc.store import disk, log
from hdc.store.locking import NAME as LOCK
from hdc.store.state import damaged

FORMAT = 2
"""Version of the layout that this release writes."""

CURRENT, SEAL = "current", "seal"

ATTEMPTS = 10
"""Times that a reader retries while a writer may be replacing a file."""


def check_unused(folder: Path) -> None:
    """Reject a folder that contains anything but what a crash leaves while a store is created.

    Raises
    ------
    ParameterError
        If it does.
    """
    for path in folder.iterdir():
        if path.name not in (LOCK, "0") and not path.name.startswith(f".{CURRENT}."):
            raise ParameterError(f"{folder} is not empty: it contains {path.name!r}; name a new folder")


def read_current(folder: Path, kind: str) -> tuple[int, Path]:
    """Return the format of a store and the folder of its current edition.

    Raises
    ------
    FileFormatError
        If it is not a store, of another kind, of a newer format, or damaged.
    OSError
        If it cannot be read.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no store at {folder}")
    if not (folder / CURRENT).exists():
        raise FileFormatError(f"{folder} is not a store: it has no file {CURRENT!r}")
    meta, _ = files.load(folder / CURRENT, "store", version=FORMAT)
    held, version, edition = meta.get("kind"), _number(meta.get("format"), 1), _number(meta.get("edition"), 0)
    if not isinstance(held, str) or min(version, edition) < 0 or len(meta) != 3:
        raise damaged(folder / CURRENT, f"it names no edition: {meta!r:.80}")
    if held != checks.text(kind, "kind"):
        raise FileKindError(f"{folder} is of kind {held!r}; expected {kind!r}")
    return version, folder / str(edition)


def _number(value: Any, least: int) -> int:
    """Return an integer from ``least`` on; -1 for anything else."""
    return value if type(value) is int and least <= value < 1 << 31 else -1


def mark(folder: Path) -> tuple[int, ...]:
    """Return a mark that changes when another edition becomes the current one; empty if there is none."""
    try:
        found = (folder / CURRENT).stat()
    except (FileNotFoundError, NotADirectoryError):
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def write_current(folder: Path, kind: str, edition: Path) -> None:
    """Make an edition the current one; the name is durable only after another sync of the folder.

    Raises
    ------
    OSError
        If that fails; the current edition is the one it was then.
    """
    disk.sync_folder(edition)
    disk.sync_folder(folder)
    meta = {"kind": kind, "format": FORMAT, "edition": int(edition.name)}
    files.save(folder / CURRENT, "store", meta, {}, version=FORMAT)


def new_edition(folder: Path, after: int) -> Path:
    """Make the folder of the edition after another one, empty even if a crash left something there."""
    edition = folder / str(after + 1)
    disk.make_folder(edition)
    return edition


def remove_leftovers(folder: Path, edition: Path) -> None:
    """Remove every edition but the current one, and files that a crash left, if the disk agrees which one counts."""
    try:
        disk.sync_folder(folder)
    except OSError:
        return
    for path in folder.iterdir():
        if path.is_dir() and path.name.isdecimal() and path != edition:
            shutil.rmtree(path, ignore_errors=True)
        elif path.name.startswith(f".{CURRENT}."):
            path.unlink(missing_ok=True)


def read_log(edition: Path) -> tuple[bool, list[log.Record]]:
    """Return whether an edition is sealed, and the records of its log.

    Raises
    ------
    FileFormatError
        If the log is damaged, or shorter than the seal says.
    OSError
        If it cannot be read.
    """
    seal = None
    for _ in range(ATTEMPTS):
        seal = read_seal(edition)
        records, _ = log.read(edition / log.NAME)
        if seal is None or any((record.end, record.checksum.decode()) == seal for record in records):
            return seal is not None, records
        if read_seal(edition) == seal:  # no writer is just closing the store
            raise damaged(edition / log.NAME, "it does not end as it was closed")
    return False, records


def write_seal(edition: Path, last: log.Record) -> None:
    """Note the end of a log that nobody writes."""
    files.save(edition / SEAL, "store-seal", {"end": last.end, "checksum": last.checksum.decode()}, {})


def read_seal(edition: Path) -> tuple[int, str] | None:
    """Return what :func:`write_seal` noted; None while a writer is at work, or if one was killed.

    Raises
    ------
    FileFormatError
        If the seal is damaged.
    """
    try:
        meta, _ = files.load(edition / SEAL, "store-seal")
    except FileNotFoundError:
        return None
    end, checksum = meta.get("end"), meta.get("checksum")
    if type(end) is not int or not isinstance(checksum, str):
        raise damaged(edition / SEAL, f"it says {meta!r:.80}")
    return end, checksum


def break_seal(edition: Path) -> None:
    """Remove the seal, durably, before anything is changed."""
    disk.unlink(edition / SEAL)
    disk.sync_folder(edition)
