"""The folder of a store: which part of it counts, and which version it has.

::

    index/
      lock           who writes, while someone does
      current        kind, format and the edition that counts; replaced as a whole
      0/             an edition: everything, until `compact` or a migration writes the next one
        catalogue    SQLite
        codes        a column: rows of fixed width, nothing else
        seal         digest of the catalogue's bytes; there only while no writer is at work

An edition is written aside, synced and then made the current one, so that a crash leaves the old or the new.
"""

import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hdc import files
from hdc.errors import FileFormatError, ParameterError
from hdc.store.locking import NAME as LOCK

FORMAT = 1
"""Version of the layout that this release writes."""

MIGRATIONS: Mapping[int, Callable[[Path, Path], None]] = {}
"""The rule of migration: the entry at version v is a function that reads an edition (a folder) of version v and
writes one of version v + 1 to an empty folder. Opening for writing applies them one by one up to
:data:`FORMAT`, and switches to the result only when it is complete; opening for reading changes nothing."""

CURRENT, CATALOGUE, SEAL = "current", "catalogue", "seal"


def check_unused(folder: Path) -> None:
    """Refuse a folder that holds anything but what a crash in the making of a store leaves.

    Raises
    ------
    ParameterError
        If it does.
    """
    for path in folder.iterdir():
        if path.name not in (LOCK, "0") and not path.name.startswith(f".{CURRENT}."):
            raise ParameterError(f"{folder} is not empty: it holds {path.name!r}; name a new folder")


def read_current(folder: Path, kind: str) -> tuple[int, Path]:
    """Return the format of a store and the folder of its current edition.

    Raises
    ------
    FileFormatError
        If it is no store, one of another kind, one of a newer format, or damaged.
    OSError
        If it cannot be read.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no store at {folder}")
    if not (folder / CURRENT).exists():
        raise FileFormatError(f"{folder} is not a store: it has no file {CURRENT!r}")
    meta, _ = files.load(folder / CURRENT, "store", version=FORMAT)
    if meta["kind"] != kind:
        raise FileFormatError(f"{folder} holds a {meta['kind']!r}, and a {kind!r} was expected")
    return meta["format"], folder / str(meta["edition"])


def write_current(folder: Path, kind: str, edition: Path) -> None:
    """Make an edition, which is synced, the current one; the others go."""
    files.sync_folder(edition)
    files.sync_folder(folder)
    meta = {"kind": kind, "format": FORMAT, "edition": int(edition.name)}
    files.save(folder / CURRENT, "store", meta, {}, version=FORMAT)
    remove_leftovers(folder, edition)


def new_edition(folder: Path, after: int) -> Path:
    """Make the folder of the edition after another one, empty even if a crash left something there."""
    edition = folder / str(after + 1)
    shutil.rmtree(edition, ignore_errors=True)
    edition.mkdir()
    return edition


def remove_leftovers(folder: Path, edition: Path) -> None:
    """Remove every edition but one, and files that a crash left."""
    for path in folder.iterdir():
        if path.is_dir() and path.name.isdecimal() and path != edition:
            shutil.rmtree(path, ignore_errors=True)
        elif path.name.startswith(f".{CURRENT}."):
            path.unlink(missing_ok=True)


def migrate(folder: Path, kind: str, version: int, edition: Path) -> Path:
    """Bring an edition to the format of this release; return the new one."""
    while version < FORMAT:
        following = new_edition(folder, int(edition.name))
        MIGRATIONS[version](edition, following)
        edition, version = following, version + 1
    write_current(folder, kind, edition)
    return edition


def write_seal(edition: Path) -> None:
    """Note the digest of a catalogue that nobody writes."""
    files.save(edition / SEAL, "store-seal", {"digest": file_digest(edition / CATALOGUE)}, {})


def read_seal(edition: Path) -> dict[str, Any] | None:
    """Return what :func:`write_seal` noted; None while a writer is at work, or if one was killed.

    Raises
    ------
    FileFormatError
        If the seal is damaged.
    """
    try:
        return files.load(edition / SEAL, "store-seal")[0]
    except FileNotFoundError:
        return None


def break_seal(edition: Path) -> None:
    """Remove the seal, durably, before the catalogue is changed."""
    (edition / SEAL).unlink(missing_ok=True)
    files.sync_folder(edition)


def file_digest(path: Path) -> str:
    """Return the BLAKE2b digest of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
