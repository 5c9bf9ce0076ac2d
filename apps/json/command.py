"""``hdc json index`` and ``hdc json search``."""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from hdc.errors import ParameterError

QUERY = "query"
"""What errors call the query's text."""


def register(subparsers: Any) -> None:
    """Add ``json`` and its subcommands to the parser of ``hdc``."""
    parser = subparsers.add_parser("json", help="search JSON documents and see why they match")
    commands = parser.add_subparsers(metavar="command", required=True)
    _register_index(commands)
    _register_search(commands)


def _register_index(commands: Any) -> None:
    parser = commands.add_parser(
        "index",
        help="make a searchable index of JSON files",
        description="Read JSON, JSON Lines or arrays of documents, gzipped or not, and write one index file.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a file of documents; - is standard input")
    parser.add_argument("-o", "--output", required=True, metavar="INDEX", help="the index file to write")
    parser.add_argument("--dim", type=int, default=2048, help="length of the vectors (2048)")
    parser.add_argument(
        "--matrix", choices=("permutation", "hadamard", "haar"), default="permutation", help="(permutation)"
    )
    parser.add_argument(
        "--arrays",
        choices=("auto", "bag", "sequence", "both"),
        default="auto",
        help="whether positions count: by default only in arrays of numbers (auto)",
    )
    parser.add_argument("--balance", type=float, default=0.0, help="0: big objects weigh more; 1: all alike (0)")
    parser.add_argument("--seed", type=int, default=0, help="of the vectors (0)")
    parser.add_argument("--no-fit", action="store_true", help="do not learn rarities and scales from the files")
    parser.set_defaults(run=run_index)


def _register_search(commands: Any) -> None:
    parser = commands.add_parser(
        "search",
        help="find documents that hold what a partial document asks for",
        description="The score is the part of the query that a document holds: 1 is all of it. "
        "With --like it is the cosine of two documents' vectors.",
    )
    parser.add_argument("index", metavar="INDEX", help="a file made by hdc json index")
    parser.add_argument("query", nargs="?", metavar="QUERY", help="a (partial) JSON document; - is standard input")
    parser.add_argument("--like", type=int, metavar="ID", help="search with the stored document of this id instead")
    parser.add_argument("-k", type=int, default=10, help="number of documents (10)")
    parser.add_argument("--explain", action="store_true", help="show which fields made the match")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.set_defaults(run=run_search)


def run_index(arguments: argparse.Namespace) -> int:
    """Run ``hdc json index``."""
    from hdc.apps.json.encoder import JSONEncoder
    from hdc.apps.json.index import JSONIndex
    from hdc.apps.json.reading import read
    from hdc.apps.progress import counted

    _check_output(arguments.output, arguments.files)
    encoder = JSONEncoder(
        arguments.dim,
        matrix=arguments.matrix,
        seed=arguments.seed,
        arrays=arguments.arrays,
        balance=arguments.balance,
    )
    encoder.check()
    records = list(counted(read(arguments.files), "documents read"))
    if not arguments.no_fit:
        encoder.fit(record.document for record in counted(records, "documents learned from"))
    index = JSONIndex(encoder).add(counted(records, "documents indexed"))
    try:
        index.save(arguments.output)
    except OSError as error:
        raise OSError(error.errno, error.strerror, arguments.output) from error
    size = os.path.getsize(arguments.output)
    documents = "1 document" if len(index) == 1 else f"{len(index)} documents"
    print(f"{documents} in {arguments.output} ({size / 1e6:.1f} MB)")
    return 0


def run_search(arguments: argparse.Namespace) -> int:
    """Run ``hdc json search``."""
    from hdc.apps.json import display
    from hdc.apps.json.index import JSONIndex

    if (arguments.query is None) == (arguments.like is None):
        raise ParameterError("give either a query or --like ID")
    query = None if arguments.query is None else _read_query(arguments.query)
    index = JSONIndex.load(arguments.index)
    if arguments.like is None:
        hits = [hit for hit in index.search(query, arguments.k) if hit.score > 0]
    else:
        query, hits = index.document(arguments.like), index.like(arguments.like, arguments.k)
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


def _check_output(path: str, inputs: Sequence[str]) -> None:
    """Fail before the work rather than after it, where the index cannot be written or would replace another file."""
    from hdc import files

    folder = os.path.dirname(path) or "."
    if not path or os.path.isdir(path) or not os.path.isdir(folder):
        raise ParameterError(f"{path or 'no name'}: not a place for a file; name a file in a folder that exists")
    if not os.path.exists(path):
        return
    if any(os.path.exists(name) and os.path.samefile(name, path) for name in inputs):
        raise ParameterError(f"{path} is an input; name another file for the index")
    if not os.path.isfile(path) or not _begins_with(path, files.MAGIC):
        raise ParameterError(f"{path} exists and is no index; name another file, or remove it first")


def _begins_with(path: str, magic: bytes) -> bool:
    with open(path, "rb") as file:
        return file.read(len(magic)) == magic
