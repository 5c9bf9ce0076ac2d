"""Indexes by what is named on the command line."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from hdc import checks
from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, ShardedIndex
from hdc.apps.retrieval.files.queries import imported
from hdc.apps.retrieval.index.folders import CODES_FOLDER, MODEL_FOLDER
from hdc.apps.retrieval.index.shards import searched
from hdc.apps.retrieval.vectors.texts import Encoder
from hdc.errors import FileKindError, ParameterError
from hdc.search.index import Index
from hdc.search.shards import is_of_shards, shard_paths

DEMO = "demo"


def opened_indexes(given: Iterable[str], *, writable: bool = False) -> dict[str, Index]:
    """Open indexes, each given as ``PATH`` or ``NAME=PATH``; ``demo`` is those of the demonstration.

    Raises
    ------
    ParameterError
        If two have one name, or one is named or made as it cannot be.
    FileFormatError, BlockingIOError, OSError
        If one cannot be opened; those before it are closed then.
    """
    indexes: dict[str, Index] = {}
    with contextlib.ExitStack() as stack:
        for text in given:
            for name, index in _demo() if text == DEMO else [_named(text, writable)]:
                stack.callback(index.close)
                if name in indexes:
                    raise ParameterError(f"two indexes are called {name!r}; name one of them: NAME={text}")
                indexes[name] = index
        stack.pop_all()
    return indexes


def _named(text: str, writable: bool) -> tuple[str, Index]:
    """Return the name and the index of one argument."""
    name, equals, path = text.partition("=")
    if not equals or os.path.exists(text):
        name, path = Path(os.path.abspath(text)).stem, text
    return name, opened(path, writable=writable)


def opened(path: str, *, writable: bool = False) -> Index:
    """Open an index of whatever kind, or a folder of shards.

    Raises
    ------
    ParameterError
        If there is no folder.
    FileFormatError, BlockingIOError, OSError
        If it cannot be opened.
    """
    if not os.path.isdir(path):
        found = "is a file" if os.path.exists(path) else "does not exist"
        raise ParameterError(
            f"{path} {found}; name the folder of an index, as hdc json index and hdc embed index make it, or demo"
        )
    first = shard_paths(path)[0]
    if (first / CODES_FOLDER).is_dir() and (first / MODEL_FOLDER).is_dir():
        if not writable:
            return searched(path)
        kind = ShardedIndex if is_of_shards(path) else EmbeddingIndex
        return kind.open(path, writable=True)
    try:
        return JSONIndex.open(path, writable=writable)
    except FileKindError:
        return BinaryIndex.open(path, writable=writable)


def encoders(given: Iterable[str]) -> dict[str, Encoder]:
    """Return what makes vectors of texts, each given as ``NAME=MODULE:FUNCTION``.

    Raises
    ------
    ParameterError
        If one is given otherwise, or there is no such function.
    """
    found: dict[str, Encoder] = {}
    for text in given:
        name, equals, place = text.partition("=")
        if not equals or ":" not in place:
            raise ParameterError(f"--encoder {text}: expected NAME=MODULE:FUNCTION")
        loaded = imported(place)
        checks.function(loaded if isinstance(loaded, str) else getattr(loaded, "encode", loaded), f"--encoder {text}")
        found[name] = loaded
    return found


def _demo() -> list[tuple[str, Index]]:
    """Return the indexes of the demonstration, made in memory."""
    from hdc.apps.demo.command import DESCRIBE, load_index

    return [(name, load_index(name, JSONEncoder())) for name in DESCRIBE]
