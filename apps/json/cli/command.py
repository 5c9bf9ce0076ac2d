"""``hdc json``: create and search an index of JSON documents."""

import argparse
import contextlib
import os
import shutil
import sys
from typing import Any

from hdc.apps import verbs
from hdc.apps.json.cli import shard_commands
from hdc.apps.json.cli import vector_commands as vector_command
from hdc.apps.json.cli.changes import APPLICATION, opened
from hdc.apps.json.cli.options import (
    INPUTS,
    add_encoder_options,
    add_inputs,
    documents,
    encoder_of,
    limits_of,
    tell_rejected,
)
from hdc.errors import ParameterError

QUERY = "query"
"""Name of the query's text in errors."""


def register(subparsers: Any) -> None:
    """Add ``json`` and its subcommands to the parser of ``hdc``."""
    parser = subparsers.add_parser("json", help="search JSON documents and explain each match")
    commands = parser.add_subparsers(metavar="command", required=True)
    _register_index(commands)
    _register_search(commands)
    verbs.register(commands, APPLICATION)
    shard_commands.register(commands)
    vector_command.register(commands)


def _register_index(commands: Any) -> None:
    parser = commands.add_parser(
        "index",
        help="build a searchable index of JSON files",
        description=f"Read {INPUTS}, and build an index, which is a folder. Inputs are read twice. {verbs.RESUMES}",
    )
    add_inputs(parser)
    parser.add_argument("-o", "--output", required=True, metavar="INDEX", help="index to create or replace")
    parser.add_argument("--key", metavar="PATH", help="path of each document's key, a string or an integer")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="number of processes (all cores)"
    )
    verbs.add_cluster(parser)
    verbs.add_shared(parser)
    parser.add_argument(
        "--vectors",
        choices=("packed", "float16", "none"),
        default="packed",
        help="vectors to store: packed sign bits, float16 as well, or none (packed)",
    )
    add_encoder_options(parser)
    parser.set_defaults(run=run_index)


def _register_search(commands: Any) -> None:
    parser = commands.add_parser(
        "search",
        help="search with a partial document, or with words",
        description="The score is the share of the query that the document matches: 1 is a full match. Words match in "
        'any field; the key * matches them anywhere beneath a path: \'{"author": {"*": "Ada"}}\'. '
        "With --like, the score is the cosine of the two documents' vectors.",
    )
    parser.add_argument("index", metavar="INDEX", help="index built by hdc json index, or a folder of shards")
    parser.add_argument(
        "words",
        nargs="*",
        metavar="QUERY",
        help="partial JSON document, or words; - reads standard input. More indexes may precede it, to be "
        "searched as one",
    )
    parser.add_argument(
        "--like", type=int, metavar="ID", help="find documents similar to this stored one, instead of a query"
    )
    parser.add_argument("-k", type=int, default=10, help="number of hits (10)")
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="CONDITION",
        help="'PATH OPERATOR VALUE' with = != < <= > >= or ~, 'PATH exists', or 'PATH missing'; repeat it to require "
        "several",
    )
    parser.add_argument(
        "--missing",
        choices=("ignore", "count"),
        default="ignore",
        help="count: values beyond the query lower a document's score (ignore)",
    )
    parser.add_argument("--explain", action="store_true", help="show how much each field contributed to the score")
    parser.add_argument("--cards", action="store_true", help="show each hit as a card; --explain does so on a terminal")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run_search)


def run_index(arguments: argparse.Namespace) -> int:
    """Run ``hdc json index``."""
    from hdc.apps.json.build.index_build import Task, build
    from hdc.checks import integer

    integer(arguments.jobs, "--jobs", 1)
    output = arguments.output.rstrip(os.sep) or arguments.output
    task = Task(
        tuple(arguments.files),
        encoder_of(arguments),
        fit=not arguments.no_fit,
        key=arguments.key,
        items=arguments.items,
        on_error=arguments.on_error,
        vectors=None if arguments.vectors == "none" else arguments.vectors,
        rejects=arguments.rejects,
        jobs=arguments.jobs,
        limits=limits_of(arguments),
        cluster=arguments.cluster,
        shared=arguments.shared,
    )
    try:
        report = build(output, task)
    except OSError as error:
        if error.strerror is None or error.filename:
            raise
        raise OSError(error.errno, error.strerror, output) from error
    print(f"{documents(report.documents)} in {output} ({verbs.size_of(output) / 1e6:.1f} MB)")
    tell_rejected(report.rejected)
    return 0


def run_search(arguments: argparse.Namespace) -> int:
    """Run ``hdc json search``."""
    from hdc.apps.json.cli import display

    others = list(arguments.words)
    text = others.pop() if others and (arguments.like is None or not os.path.isdir(others[-1])) else None
    if (text is None) == (arguments.like is None):
        raise ParameterError("give a query or --like ID, one of the two")
    query = None if text is None else _read_query(text)
    with opened([arguments.index, *others]) as index:
        if arguments.like is None:
            found = index.search(query, arguments.k, where=arguments.where, missing=arguments.missing)
            hits = list(found)
            for note in found.notes:
                print(f"note: {note}", file=sys.stderr)
        else:
            query = index.document(arguments.like)
            hits = index.like(arguments.like, arguments.k, where=arguments.where)
        reasons = index.explain(query, hits) if arguments.explain else None
    width = shutil.get_terminal_size((120, 24)).columns
    if arguments.json:
        verbs.show([display.hits_json(hits, reasons)])
    elif hits and (arguments.cards or (arguments.explain and sys.stdout.isatty())):
        from hdc.apps.json.cli import cards

        cards.show(hits, reasons, width)
    else:
        verbs.show(display.hit_lines(hits, reasons, width))
    return 0


def _read_query(argument: str) -> Any:
    """Read a JSON document, or words to find in any field."""
    from hdc.apps.json.reading import LIMITS, STDIN, DocumentError, parse_bytes

    most = LIMITS.document_bytes
    raw = sys.stdin.buffer.read(most + 1) if argument == STDIN else os.fsencode(argument)
    if len(raw) > most:
        raise DocumentError(f"the query is longer than {most:,} bytes")
    try:
        return parse_bytes(raw, QUERY)
    except DocumentError as error:
        if raw.strip() and raw.strip()[:1] not in (b"{", b"[", b'"'):
            with contextlib.suppress(UnicodeDecodeError):
                return {"*": raw.decode().strip()}
        raise DocumentError(f'{error}; a query is a JSON document such as {{"name": "Ada"}}') from None
