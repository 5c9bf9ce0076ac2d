"""``hdc json``: make, change, check and search an index of JSON documents."""

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from hdc.apps.json.cli import vector_commands as vector_command
from hdc.apps.json.cli.options import INPUTS, add_encoder_options, add_inputs, documents, encoder_of, tell_rejected
from hdc.errors import ParameterError

QUERY = "query"
"""What errors call the query's text."""


def register(subparsers: Any) -> None:
    """Add ``json`` and its subcommands to the parser of ``hdc``."""
    parser = subparsers.add_parser("json", help="search JSON documents and see why they match")
    commands = parser.add_subparsers(metavar="command", required=True)
    _register_index(commands)
    _register_changes(commands)
    _register_search(commands)
    vector_command.register(commands)


def _register_index(commands: Any) -> None:
    parser = commands.add_parser(
        "index",
        help="make a searchable index of JSON files",
        description=f"Read {INPUTS}, twice, and make an index, a folder. Interrupted, the same command goes on.",
    )
    add_inputs(parser)
    parser.add_argument("-o", "--output", required=True, metavar="INDEX", help="the index to make or replace")
    parser.add_argument("--key", metavar="PATH", help="where each document has its key, a text or an integer")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (all cores)")
    add_encoder_options(parser)
    parser.set_defaults(run=run_index)


def _register_changes(commands: Any) -> None:
    parser = commands.add_parser(
        "add",
        help="add documents to an index, or replace those of the same keys",
        description=f"Read {INPUTS}, and add the documents. Where the index has keys, a document replaces "
        "another one of its key. Rarities and scales stay as they were learned.",
    )
    parser.add_argument("index", metavar="INDEX")
    add_inputs(parser)
    parser.set_defaults(run=run_add)
    parser = commands.add_parser("remove", help="remove documents from an index", description="By id or by key.")
    parser.add_argument("index", metavar="INDEX")
    parser.add_argument("ids", nargs="*", type=int, metavar="ID", help="a number that search shows")
    parser.add_argument("--key", action="append", default=[], dest="keys", metavar="KEY", help="again for others")
    parser.set_defaults(run=run_remove)
    parser = commands.add_parser("verify", help="check every byte of an index", description="Says what is damaged.")
    parser.add_argument("index", metavar="INDEX")
    parser.set_defaults(run=run_verify)


def _register_search(commands: Any) -> None:
    parser = commands.add_parser(
        "search",
        help="find documents that hold what a partial document asks for",
        description="The score is the part of the query that a document holds: 1 is all of it. "
        "With --like it is the cosine of two documents' vectors.",
    )
    parser.add_argument("index", metavar="INDEX", help="made by hdc json index")
    parser.add_argument("query", nargs="?", metavar="QUERY", help="a (partial) JSON document; - is standard input")
    parser.add_argument("--like", type=int, metavar="ID", help="search with the stored document of this id instead")
    parser.add_argument("-k", type=int, default=10, help="number of documents (10)")
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="CONDITION",
        help="'PATH OPERATOR VALUE' with one of = != < <= > >= ~, or 'PATH exists' or 'PATH missing'; again for more, "
        "which must all hold",
    )
    parser.add_argument(
        "--missing",
        choices=("ignore", "count"),
        default="ignore",
        help="whether what a document has beyond the query lowers its score (ignore)",
    )
    parser.add_argument("--explain", action="store_true", help="show which fields made the match")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.set_defaults(run=run_search)


def run_index(arguments: argparse.Namespace) -> int:
    """Run ``hdc json index``."""
    from hdc.apps.json.build.index_build import Task, build

    if arguments.jobs < 1:
        raise ParameterError(f"--jobs must be at least 1, not {arguments.jobs}")
    output = arguments.output.rstrip(os.sep) or arguments.output
    task = Task(
        tuple(arguments.files),
        encoder_of(arguments),
        fit=not arguments.no_fit,
        key=arguments.key,
        items=arguments.items,
        on_error=arguments.on_error,
        rejects=arguments.rejects,
        jobs=arguments.jobs,
    )
    try:
        report = build(output, task)
    except OSError as error:
        raise OSError(error.errno, error.strerror, error.filename or output) from error
    print(f"{documents(report.documents)} in {output} ({_size(output) / 1e6:.1f} MB)")
    tell_rejected(report.rejected)
    return 0


def run_add(arguments: argparse.Namespace) -> int:
    """Run ``hdc json add``."""
    from hdc.apps.json.build.inputs import Inputs
    from hdc.apps.json.index.index import JSONIndex
    from hdc.apps.progress import counted

    options = arguments.files, arguments.on_error, arguments.items
    with JSONIndex.open(arguments.index, writable=True) as index, Inputs.of(*options) as inputs:
        if arguments.on_error == "raise":
            for record in counted(inputs.read(), "documents checked"):
                index.check(record)
        before = len(index)
        records = counted(inputs.read(arguments.rejects), "documents added")
        if index.key is None:
            index.add(records)
        else:
            index.put(records)
        new = len(index) - before
        replaced = f", {inputs.counts.read - new} replaced" if index.key else ""
        print(f"{documents(new)} added{replaced}")
        tell_rejected(inputs.counts.rejected)
    return 0


def run_remove(arguments: argparse.Namespace) -> int:
    """Run ``hdc json remove``."""
    from hdc.apps.json.index.index import JSONIndex

    if not arguments.ids and not arguments.keys:
        raise ParameterError("give an ID, or --key KEY")
    with JSONIndex.open(arguments.index, writable=True) as index:
        print(f"{documents(index.remove(arguments.ids, arguments.keys))} removed")
    return 0


def run_verify(arguments: argparse.Namespace) -> int:
    """Run ``hdc json verify``."""
    from hdc.apps.json.index.index import JSONIndex

    with JSONIndex.open(arguments.index) as index:
        index.verify()
        print(f"{arguments.index}: {documents(len(index))}, every byte as it was written")
    return 0


def run_search(arguments: argparse.Namespace) -> int:
    """Run ``hdc json search``."""
    from hdc.apps.json.cli import display
    from hdc.apps.json.index.index import JSONIndex

    if (arguments.query is None) == (arguments.like is None):
        raise ParameterError("give either a query or --like ID")
    query = None if arguments.query is None else _read_query(arguments.query)
    with JSONIndex.open(arguments.index) as index:
        if arguments.like is None:
            found = index.search(query, arguments.k, where=arguments.where, missing=arguments.missing)
            hits = [hit for hit in found if hit.score > 0]
        else:
            query = index.document(arguments.like)
            hits = index.like(arguments.like, arguments.k, where=arguments.where)
        reasons = [index.explain(query, hit) for hit in hits] if arguments.explain else None
    if arguments.json:
        lines = [display.hits_json(hits, reasons)]
    else:
        lines = display.hit_lines(hits, reasons, shutil.get_terminal_size((120, 24)).columns)
    show(lines)
    return 0


def show(lines: list[str]) -> None:
    """Print lines; what the terminal's encoding lacks is written as an escape."""
    encoding = sys.stdout.encoding or "utf-8"
    for line in lines:
        print(line.encode(encoding, "backslashreplace").decode(encoding))


def _read_query(argument: str) -> Any:
    from hdc.apps.json.reading import STDIN, DocumentError, parse_bytes

    raw = sys.stdin.buffer.read() if argument == STDIN else os.fsencode(argument)
    try:
        return parse_bytes(raw, QUERY)
    except DocumentError as error:
        raise DocumentError(f'{error}; a query is a JSON document such as {{"name": "Ada"}}') from None


def _size(folder: str) -> int:
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
