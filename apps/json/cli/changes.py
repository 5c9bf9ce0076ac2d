"""Connect the commands that all indexes share to an index of JSON documents."""

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hdc.apps.json.cli.options import INPUTS, add_inputs, limits_of, tell_rejected
from hdc.apps.verbs import Application

if TYPE_CHECKING:
    from hdc.apps.json.index.index import JSONIndex

FEW = 20_000
"""Up to this many documents, NumPy searches, which is faster than loading the compiled kernels."""

EXPORTED = 1 << 10
"""Documents to write per block."""


def _open(path: str, writable: bool, backend: str) -> "JSONIndex":
    from hdc.apps.json.index.index import JSONIndex

    return JSONIndex.open(path, writable=writable, backend=backend)


def opened(paths: list[str]) -> "JSONIndex":
    """Open an index, or several as one, for one search."""
    from hdc.apps.json.index.index import JSONIndex
    from hdc.apps.verbs import COMPILED, PLAIN
    from hdc.search.shards import is_of_shards, shard_paths
    from hdc.store import Store

    path = paths if len(paths) > 1 else paths[0]
    if isinstance(path, str) and not is_of_shards(path):
        store = Store.open(path, JSONIndex.KIND)
        return JSONIndex.of(store, backend=PLAIN if store.snapshot.count <= FEW else COMPILED)
    count = 0
    for place in shard_paths(path):
        with Store.open(place, JSONIndex.KIND) as store:
            count += store.snapshot.count
    return JSONIndex.open(path, backend=PLAIN if count <= FEW else COMPILED)


def _change(index: "JSONIndex", arguments: argparse.Namespace, replace: bool) -> Any:
    """Add documents; with ``--on-error raise``, everything is read and checked before the index changes."""
    import numpy as np

    from hdc.apps.json.build.inputs import Inputs, keyed
    from hdc.apps.json.reading import Counts
    from hdc.apps.json.reading.records import Rejects
    from hdc.apps.progress import counted

    def acceptable(inputs: Inputs, rejects: str | None) -> Iterator[Any]:
        sink = Rejects(arguments.on_error, rejects, counts)
        return keyed(inputs.read(rejects), index.key, sink, None if replace else index.find)

    counts = Counts()
    with Inputs.of(arguments.files, arguments.on_error, arguments.items, limits_of(arguments)) as inputs:
        if arguments.on_error == "raise":
            for _ in counted(acceptable(inputs, None), "documents checked"):
                pass
        documents = counted(acceptable(inputs, arguments.rejects), "documents added")
        ids = list(index.extend(documents, replace=replace))
        tell_rejected(inputs.counts.rejected + counts.rejected)
    return np.concatenate([np.empty(0, np.int64), *ids])


def _details(index: "JSONIndex") -> dict[str, Any]:
    encoder = index.encoder
    fitted = bool(encoder.profile_.documents)
    return {"kind": "json", "dim": encoder.dim, "key": index.key, "fitted": fitted}


def _export(index: "JSONIndex", path: str) -> None:
    """Write the documents as JSON Lines, in order of their ids."""
    from hdc.apps.progress import counted
    from hdc.files import replacing

    ids = index.ids()
    blocks = (index.texts(ids[start : start + EXPORTED]) for start in range(0, len(ids), EXPORTED))
    lines = counted((text + b"\n" for block in blocks for text in block), "documents written")
    if path == "-":
        sys.stdout.buffer.writelines(lines)
        return
    with replacing(path) as file:
        file.writelines(lines)


APPLICATION = Application(
    row="document",
    inputs=f"{INPUTS}. Rarities and number scales stay as learned",
    output="JSON Lines file to write; - writes to standard output",
    open=_open,
    add_inputs=add_inputs,
    change=_change,
    details=_details,
    export=_export,
)
