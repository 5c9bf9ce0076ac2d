"""What every kind of index is asked on the command line: info, add, put, remove, compact, verify and export."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hdc.errors import ParameterError

PLAIN, COMPILED = "numpy", "auto"
"""Backends: what computes little does not wait for the compiled kernels to be loaded."""

LITTLE = 1 << 27
"""Words of codes that NumPy compares in less time than it takes to load the compiled kernels."""


RESUMES = "After an interruption, run the same command again to resume."
"""What help texts say of commands that keep what they have done."""

Run = Callable[[argparse.Namespace], int]
"""Runs a command; returns its status."""


def backend_for(store: str, kind: str, times: int) -> str:
    """Return the backend that is sooner done with one search.

    Parameters
    ----------
    store : path
        Of a store with a column ``codes``.
    kind : str
        Of the store.
    times : int
        How often its codes are compared, more or less.
    """
    from hdc.errors import HDCError
    from hdc.store import Store

    try:
        with Store.open(store, kind) as opened:
            words = opened.snapshot.raw("codes").size
    except (HDCError, OSError):  # whoever opens the index says what is wrong
        return PLAIN
    return PLAIN if words * times <= LITTLE else COMPILED


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where work is done."""
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="run on a Dask cluster: tcp://HOST:8786, the path of a scheduler file, local, or local:N for N processes",
    )


def add_shared(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where workers of a cluster write."""
    parser.add_argument(
        "--shared",
        metavar="FOLDER",
        help="folder, by path or URL, where cluster workers write encoded parts (INDEX.building)",
    )


def add_backend(parser: argparse.ArgumentParser) -> None:
    """Add ``--backend``; without it, the command takes the one that is sooner done."""
    parser.add_argument("--backend", metavar="NAME", help="compute with numba, numpy, ... (whichever finishes sooner)")


@dataclass(frozen=True)
class Application:
    """How the verbs reach the indexes of an application, which is loaded when one of them runs.

    Attributes
    ----------
    row : str
        What a row is called.
    inputs : str
        What ``add`` and ``put`` read, for their help.
    output : str
        What ``export`` writes, for its help.
    open : (path, writable, backend) -> Index
    add_inputs : (parser) -> None
        Adds the options of what is read.
    change : (index, arguments, replace) -> (n,) int64 array
        Adds rows, or with ``replace`` also replaces those of the same keys; returns the id of each.
    details : (index) -> mapping of JSON values
        What ``info`` says beside what all indexes have.
    export : (index, path) -> None
    """

    row: str
    inputs: str
    output: str
    open: Callable[[str, bool, str], Any]
    add_inputs: Callable[[argparse.ArgumentParser], None]
    change: Callable[[Any, argparse.Namespace, bool], Any]
    details: Callable[[Any], Mapping[str, Any]]
    export: Callable[[Any, str], None]


def register(commands: Any, application: Application) -> None:
    """Add the verbs to the commands of an application."""
    row = application.row
    parser = _verb(commands, "info", f"show the number of {row}s, size and settings", run_info, application)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser = _verb(commands, "add", f"add {row}s to an index; an existing key is an error", run_add, application)
    application.add_inputs(parser)
    add_backend(parser)
    parser = _verb(commands, "put", f"add {row}s to an index, replacing those with the same key", run_put, application)
    application.add_inputs(parser)
    add_backend(parser)
    parser = _verb(
        commands, "remove", f"remove {row}s by id or key; if any is missing, none is removed", run_remove, application
    )
    parser.add_argument("ids", nargs="*", type=int, metavar="ID", help="id that search shows")
    parser.add_argument("--key", action="append", default=[], dest="keys", metavar="KEY", help="key; repeatable")
    _verb(commands, "compact", f"reclaim the space of removed and replaced {row}s", run_compact, application)
    _verb(commands, "verify", "check every byte of an index against its checksum", run_verify, application)
    parser = _verb(commands, "export", f"write the {row}s of an index to a file", run_export, application)
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help=application.output)


def register_shards(
    commands: Any, application: str, row: str, model: str, searched: str, runs: tuple[Run, Run]
) -> None:
    """Add ``merge`` and ``split`` to an application, ``"hdc json"``, say, of whose rows one model makes codes.

    ``searched`` says who takes a folder of shards as one index; ``runs`` are of merge and of split.
    """
    parser = commands.add_parser(
        "merge",
        help="merge several indexes into one",
        description=f"Copy the {row}s of several indexes, all of one {model}, into one. Shards of {application} split "
        f"keep their ids; other indexes are renumbered, one after another. {RESUMES}",
    )
    parser.add_argument("indexes", nargs="+", metavar="INDEX", help=f"index of the same {model}, or a folder of shards")
    parser.add_argument("-o", "--output", required=True, metavar="INDEX", help="index to create or replace")
    parser.set_defaults(run=runs[0])
    parser = commands.add_parser(
        "split",
        help="split an index into shards",
        description=f"Copy an index into a folder of shards with the same ids, which {searched} as one index.",
    )
    parser.add_argument("index", metavar="INDEX")
    parser.add_argument("shards", type=int, metavar="N", help="number of shards")
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER", help="folder to create")
    parser.set_defaults(run=runs[1])


def _verb(commands: Any, name: str, text: str, run: Run, application: Application) -> argparse.ArgumentParser:
    reads = f" Read {application.inputs}." if name in ("add", "put") else ""
    description = f"{text[0].upper()}{text[1:]}.{reads}"
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=description)
    parser.add_argument("index", metavar="INDEX")
    parser.set_defaults(run=run, application=application)
    return parser


def run_info(arguments: argparse.Namespace) -> int:
    """Run ``info``."""
    from hdc.store import layout

    application: Application = arguments.application
    with application.open(arguments.index, False, PLAIN) as index:
        count, store = len(index), index.store
        known = {
            **application.details(index),
            "rows": count,
            "dead_rows": len(store.ids()) - count,
            "bytes": size_of(arguments.index),
            "format": layout.FORMAT,
            "generation": store.generation[1],
        }
    if arguments.json:
        print(json.dumps(known))
        return 0
    names = {"rows": f"{application.row}s", "bytes": "size"}
    texts = {names.get(name, name.replace("_", " ")): _text(name, value) for name, value in known.items()}
    width = max(map(len, texts))
    show([f"{name:<{width}}  {text}" for name, text in texts.items()])
    return 0


def run_add(arguments: argparse.Namespace) -> int:
    """Run ``add``."""
    return _change(arguments, replace=False)


def run_put(arguments: argparse.Namespace) -> int:
    """Run ``put``."""
    return _change(arguments, replace=True)


def _change(arguments: argparse.Namespace, *, replace: bool) -> int:
    application: Application = arguments.application
    with application.open(arguments.index, True, arguments.backend or COMPILED) as index:
        before, last = len(index), max(index.ids(), default=-1)
        ids = application.change(index, arguments, replace)
        added, new = len(index) - before, ids[ids > last]
        which = "" if not added else f", id {new[0]}" if added == 1 else f", ids {min(new)} to {max(new)}"
        replaced = f", {len(ids) - added:,} replaced" if replace else ""
        total = counted_rows(len(index), application.row)
        print(f"{counted_rows(added, application.row)} added{which}{replaced}; {total} in {arguments.index}")
    return 0


def run_remove(arguments: argparse.Namespace) -> int:
    """Run ``remove``."""
    if not arguments.ids and not arguments.keys:
        raise ParameterError("give an ID, or --key KEY")
    application: Application = arguments.application
    with application.open(arguments.index, True, PLAIN) as index:
        removed = counted_rows(index.remove(arguments.ids, arguments.keys), application.row)
        print(f"{removed} removed; {counted_rows(len(index), application.row)} in {arguments.index}")
    return 0


def run_compact(arguments: argparse.Namespace) -> int:
    """Run ``compact``."""
    application: Application = arguments.application
    before = size_of(arguments.index)
    with application.open(arguments.index, True, PLAIN) as index:
        with watched():
            index.compact()
        count = len(index)
    after = size_of(arguments.index)
    sizes = f"{after / 1e6:.1f} MB, {before / 1e6:.1f} MB before"
    print(f"{counted_rows(count, application.row)} in {arguments.index} ({sizes})")
    return 0


def run_verify(arguments: argparse.Namespace) -> int:
    """Run ``verify``."""
    application: Application = arguments.application
    with application.open(arguments.index, False, PLAIN) as index:
        with watched():
            index.verify()
        print(f"OK: all checksums match ({counted_rows(len(index), application.row)})")
    return 0


def run_export(arguments: argparse.Namespace) -> int:
    """Run ``export``."""
    application: Application = arguments.application
    with application.open(arguments.index, False, PLAIN) as index:
        application.export(index, arguments.output)
        if arguments.output != "-":
            print(f"{counted_rows(len(index), application.row)} in {arguments.output}")
    return 0


def watched() -> AbstractContextManager[None]:
    """Show on a terminal how far a check or a copy of a store is."""
    from hdc.apps.progress import tracked
    from hdc.store import watching

    return watching.watched(lambda items, total, unit: tracked(items, total, unit=unit))


def counted_rows(number: int, row: str) -> str:
    """Return a number of rows in words: ``1 document``, ``2,000 documents``."""
    return f"1 {row}" if number == 1 else f"{number:,} {row}s"


def size_of(folder: str) -> int:
    """Return the bytes of the files in a folder, at any depth."""
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def show(lines: list[str]) -> None:
    """Print lines; what the terminal's encoding lacks is written as an escape."""
    encoding = sys.stdout.encoding or "utf-8"
    for line in lines:
        print(line.encode(encoding, "backslashreplace").decode(encoding))


def _text(name: str, value: Any) -> str:
    if name == "bytes":
        return f"{value / 1e6:.1f} MB"
    if value is None or isinstance(value, bool):
        return "yes" if value else "no" if value is False else "none"
    return f"{value:,}" if isinstance(value, int) else str(value)
