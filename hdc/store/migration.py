"""Migrate a store from an older format to the current one."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from hdc.store import format1, layout

MIGRATIONS: Mapping[int, Callable[[Path, Path], None]] = {1: format1.migrate}
"""Migrations: the entry at version v is a function that reads an edition (a folder) of version v and writes one of
version v + 1 to an empty folder. Opening for writing applies them one by one up to :data:`hdc.store.layout.FORMAT`, and
switches to the result only when it is complete. Opening for reading changes nothing.
"""


def migrate(folder: Path, kind: str, version: int, edition: Path) -> Path:
    """Bring an edition to the format of this release; return the new one."""
    while version < layout.FORMAT:
        following = layout.new_edition(folder, int(edition.name))
        try:
            MIGRATIONS[version](edition, following)
        except BaseException:
            shutil.rmtree(following, ignore_errors=True)
            raise
        edition, version = following, version + 1
    layout.write_current(folder, kind, edition)
    return edition
