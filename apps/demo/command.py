"""``hdc demo``: index two extracts of real data, ask three questions, show the answers with their reasons."""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hdc.apps.json.index.index import JSONIndex

SHOWN = 3
"""Answers to each question."""

INTRODUCTION = """\
hdc demo: search JSON documents by their fields, and see why each one matches

Each document becomes a vector of {dim} numbers, computed from its field names and values. There is no language
model, no schema and nothing to configure: only word frequencies and the spread of numbers are counted first.
Documents with similar fields get similar vectors. Every score is the sum of what each field contributes.

"""

CLOSING = """\
Try it on your own files (JSON or JSON Lines, gzipped or not):
  hdc json index FILE... -o my.hdc
  hdc json search my.hdc '{"some": {"field": "value"}}' --explain
"""


@dataclass(frozen=True)
class Question:
    """What is asked of which collection: a partial document, or a stored document's neighbors."""

    title: str
    collection: str
    query: Any = None
    like: str = ""


QUESTIONS = (
    Question(
        "1. Half-remembered names. Which operation deletes a message, given the address of a queue?",
        "operations",
        {"operation": "delete message", "input": [{"name": "QueueUrl", "required": True}]},
    ),
    Question(
        "2. Near, not equal. Was there a quake of about magnitude 5 around 24.0 N 121.6 E on 6 February, 16:00?\n"
        "   Each number is compared on the scale of its own field. None has to be equal.",
        "earthquakes",
        {"properties": {"mag": 5, "time": 1517932800000}, "geometry": {"coordinates": [121.6, 24.0]}},
    ),
    Question(
        "3. More like this. Which operations resemble Amazon SQS SendMessage as a whole?\n"
        "   The score is now the cosine of two vectors. The lines below it show what the two have in common.",
        "operations",
        like="SendMessage",
    ),
)


def register(subparsers: Any) -> None:
    """Add ``demo`` to the parser of ``hdc``."""
    parser = subparsers.add_parser("demo", help="index and search real data that comes with the package")
    parser.add_argument("--data", metavar="FOLDER", help="only copy the data there, for your own experiments")
    parser.set_defaults(run=run)


def copy_data(folder: str) -> None:
    """Copy the collections into a folder, which is made if need be; files that are there stay as they are."""
    from hdc.checks import path

    place = path(folder, "folder")
    place.mkdir(parents=True, exist_ok=True)
    for name in DESCRIBE:
        target = place / f"{name}.jsonl.gz"
        with target.open("xb") as file:
            file.write((files(__package__) / "data" / target.name).read_bytes())
        print(target)


def run(arguments: argparse.Namespace) -> int:
    """Run ``hdc demo``."""
    if arguments.data is not None:
        copy_data(arguments.data)
        return 0
    from hdc.apps.json.encoder.encoder import JSONEncoder
    from hdc.apps.verbs import show

    encoder = JSONEncoder()
    show(INTRODUCTION.format(dim=encoder.dim).splitlines())
    began = time.perf_counter()
    indexes = {name: load_index(name, encoder) for name in DESCRIBE}
    seconds = time.perf_counter() - began
    total = sum(len(index) for index in indexes.values())
    show(
        [
            f"Read and indexed {total:,} documents in {seconds:.1f} s:",
            f"  {len(indexes['operations']):,} operations of Amazon's web services (from botocore, Apache-2.0)",
            f"  {len(indexes['earthquakes']):,} earthquakes, 31 January to 7 February 2018 (USGS, public domain)",
            "",
        ]
    )
    for question in QUESTIONS:
        show(answer(question, indexes[question.collection]))
    show(CLOSING.splitlines())
    return 0


def load_index(name: str, encoder: Any) -> "JSONIndex":
    """Read the documents of one collection from the package and index them, fitted to them."""
    from hdc.apps.json.index.index import JSONIndex
    from hdc.apps.json.reading import read

    with as_file(files(__package__) / "data" / f"{name}.jsonl.gz") as path:
        records = list(read([path]))
    encoder.fit(record.document for record in records)
    return JSONIndex(encoder).add(records)


def answer(question: Question, index: "JSONIndex") -> list[str]:
    """Return the lines of a question and its answers, with reasons."""
    from hdc.apps.json.cli.display import compact, reason_lines

    lines = [question.title, ""]
    if question.like:
        number = next(n for n in range(len(index)) if index.document(n)["operation"] == question.like)
        query, hits = index.document(number), index.like(number, SHOWN)
    else:
        query, hits = question.query, index.search(question.query, SHOWN)
        lines += [f"   {compact(query)}", ""]
    for hit, reasons in zip(hits, index.explain(query, hits), strict=True):
        lines.append(f"   {hit.score:5.3f}  {DESCRIBE[question.collection](hit.document)}")
        lines += [f"        {line}" for line in reason_lines(reasons, most=4)]
        lines.append("")
    return lines


def _describe_operation(document: Any) -> str:
    return f"{document['service']}: {document['operation']}"


def _describe_earthquake(document: Any) -> str:
    properties, (east, north, _) = document["properties"], document["geometry"]["coordinates"]
    when = datetime.fromtimestamp(properties["time"] / 1000, UTC)
    return f"magnitude {properties['mag']}, {properties['place']} ({north:.1f} N {east:.1f} E), {when:%d %B %H:%M}"


DESCRIBE: dict[str, Callable[[Any], str]] = {
    "operations": _describe_operation,
    "earthquakes": _describe_earthquake,
}
"""The collections, each with what says a document in one line."""
