"""Files by path or by URL: beside what the system opens, what fsspec reaches, such as ``s3://bucket/people.jsonl``."""

import io
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import Any, BinaryIO, cast

import xxhash

from hdc import files
from hdc.errors import BackendUnavailableError, ParameterError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")

BUFFER = 1 << 20
"""Bytes that are read at a time."""


def is_url(path: str | os.PathLike[str]) -> bool:
    """Say whether a path is a URL."""
    return isinstance(path, str) and _URL.match(path) is not None


def open_file(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file to read, anywhere in it.

    Raises
    ------
    BackendUnavailableError
        If fsspec, or the package it needs for such URLs, is missing.
    ParameterError
        If the kind of URL is unknown.
    OSError
        If the file cannot be opened.
    """
    if not is_url(path):
        return open(path, "rb", buffering=BUFFER)
    system, name = _system(path)
    return cast(BinaryIO, io.BufferedReader(system.open(name, "rb"), BUFFER))


def state(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return the size of a file, and a number that changes with its contents: its time in ns, or a digest.

    Raises
    ------
    OSError
        If the file does not exist.
    """
    if not is_url(path):
        found = os.stat(path)
        return found.st_size, found.st_mtime_ns
    system, name = _system(path)
    system.invalidate_cache()
    return int(system.info(name)["size"]), xxhash.xxh3_64_intdigest(str(system.ukey(name)).encode()) >> 1


def inside(url: str) -> list[str] | None:
    """Return the URLs of all files in a folder, or that a pattern with ``*`` names, sorted; None for a file.

    Raises
    ------
    OSError
        If they cannot be listed.
    """
    system, name = _system(url)
    if "*" in name:
        found = system.glob(name)
    elif system.isdir(name):
        found = system.find(name)
    else:
        return None
    return sorted(str(system.unstrip_protocol(file)) for file in found)


class Folder:
    """A folder that several processes write to, by path or URL; each file in it is there as a whole or not at all.

    Parameters
    ----------
    place : path or URL

    Examples
    --------
    >>> import tempfile
    >>> from hdc.apps.storage import Folder
    >>> folder = Folder(tempfile.mkdtemp() + "/parts")
    >>> folder.create()
    >>> folder.write("part-0", b"encoded")
    >>> folder.read("part-0")
    b'encoded'
    >>> folder.remove()
    """

    def __init__(self, place: str | os.PathLike[str]) -> None:
        self.place = os.fspath(place) if is_url(place) else os.path.abspath(place)

    def inner(self, name: str) -> "Folder":
        """Return a folder in this one."""
        return Folder(self._path(name))

    def create(self) -> None:
        """Make the folder, if it is not there; raises OSError if it cannot be."""
        if is_url(self.place):
            system, name = _system(self.place)
            system.makedirs(name, exist_ok=True)
        else:
            os.makedirs(self.place, exist_ok=True)

    def write(self, name: str, data: bytes) -> None:
        """Write a file: aside first, so that whoever writes it twice, or is killed, leaves one whole file or none.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        if not is_url(self.place):
            with files.replacing(self._path(name)) as file:
                file.write(data)
            return
        system, target = _system(self._path(name))
        aside = f"{target}.{secrets.token_hex(4)}.tmp"
        system.pipe_file(aside, data)
        system.mv(aside, target)

    def read(self, name: str) -> bytes:
        """Return the contents of a file; raises OSError if it cannot be read."""
        if not is_url(self.place):
            return Path(self._path(name)).read_bytes()
        system, target = _system(self._path(name))
        return bytes(system.cat_file(target))

    def take(self, name: str) -> bytes:
        """Return the contents of a file, and remove it."""
        data = self.read(name)
        if is_url(self.place):
            system, target = _system(self._path(name))
            system.rm_file(target)
        else:
            os.unlink(self._path(name))
        return data

    def remove(self) -> None:
        """Remove the folder and all that is in it, if it is there."""
        if not is_url(self.place):
            shutil.rmtree(self.place, ignore_errors=True)
            return
        system, name = _system(self.place)
        system.invalidate_cache()
        if system.exists(name):
            system.rm(name, recursive=True)

    def _path(self, name: str) -> str:
        return f"{self.place.rstrip('/')}/{name}" if is_url(self.place) else os.path.join(self.place, name)


def _system(url: str | os.PathLike[str]) -> tuple[Any, str]:
    """Return the file system of a URL, and the name there."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise BackendUnavailableError(f"{url}: URLs need fsspec: pip install 'hdc-toolkit[dask]'") from error
    try:
        system, name = url_to_fs(os.fspath(url))
    except ImportError as error:
        raise BackendUnavailableError(f"{url}: {error}") from error
    except ValueError as error:
        raise ParameterError(f"{url} cannot be opened: {error}") from error
    return system, str(name)
