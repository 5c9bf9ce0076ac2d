"""Create new folders completely or not at all."""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from hdc import checks
from hdc.errors import ParameterError
from hdc.files import sync_folder
from hdc.search.index import Index

Made = TypeVar("Made", bound=Index)


def new_folder(path: str | os.PathLike[str]) -> Path:
    """Return a path if it does not exist or is an empty folder.

    Raises
    ------
    ParameterError
        If something else exists there.
    """
    folder = checks.path(path)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ParameterError(f"{folder} exists; name a new folder")
    return folder


@contextmanager
def made_aside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary folder to fill; it is renamed to ``path`` at the end, or removed after an error.

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
        aside = folder  # is removed too if the rename cannot be made durable
        sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def filled(
    path: str | os.PathLike[str] | None,
    create: Callable[[Path | None], Made],
    fill: Callable[[Made], None],
    reopen: Callable[[Path], Made],
) -> Made:
    """Create and fill an index, in memory or in a new folder by :func:`made_aside`, and return it.

    Raises as :func:`made_aside` and the three functions do; after an error, nothing is left on disk.
    """
    if path is None:
        made = create(None)
        fill(made)
        return made
    with made_aside(path) as aside:
        made = create(aside)
        try:
            fill(made)
        finally:
            made.close()
    return reopen(checks.path(path))
