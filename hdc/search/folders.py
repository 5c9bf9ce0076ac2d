"""New folders that are there as a whole or not at all."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hdc import checks
from hdc.errors import ParameterError
from hdc.files import sync_folder


def new_folder(path: str | os.PathLike[str]) -> Path:
    """Return a path to a folder that is not there, or is empty.

    Raises
    ------
    ParameterError
        If it is something else.
    """
    folder = checks.path(path)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ParameterError(f"{folder} exists; name a new folder")
    return folder


@contextmanager
def made_aside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a folder to fill, which is renamed to ``path`` at the end, or removed after an error.

    Raises
    ------
    ParameterError
        As :func:`new_folder`.
    OSError
        If the folder cannot be written.
    """
    folder = Path(os.path.abspath(new_folder(path)))
    aside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.new")
    try:
        aside.mkdir(parents=True)
        yield aside
        sync_folder(aside)
        if folder.exists():
            folder.rmdir()
        os.rename(aside, folder)
        aside = folder  # which goes again if its name cannot be made durable
        sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
