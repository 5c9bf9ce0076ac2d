"""``hdc json encode``, ``decode`` and ``capacity``: vectors of documents, and the values decoded from them."""

import argparse
import itertools
import json
import os
from typing import Any

from hdc.apps.json.cli.options import (
    INPUTS,
    add_encoder_options,
    add_inputs,
    documents,
    encoder_of,
    limits_of,
    tell_rejected,
)
from hdc.checks import integer

EXAMPLES = 1000
"""Documents to base a prediction on."""


def register(commands: Any) -> None:
    """Add the commands to those of ``hdc json``."""
    _register_encode(commands)
    parser = commands.add_parser(
        "decode",
        help="read a value back from a document's vector",
        description="Show the most probable values at a path, with their probabilities, from the stored vector alone.",
    )
    parser.add_argument("index", metavar="INDEX")
    parser.add_argument("id", type=int, metavar="ID", help="id that search shows")
    parser.add_argument("path", metavar="PATH", help="path as explanations show it: subject.sex, tags[]")
    parser.add_argument("-k", type=int, default=3, help="number of values (3)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run_decode)
    parser = commands.add_parser(
        "capacity",
        help="predict how many values decode correctly, and which dimension is enough",
        description=f"Predict, path by path, how many values of the first {EXAMPLES} documents decode correctly, and "
        "which dimension reaches the target.",
    )
    parser.add_argument("index", metavar="INDEX")
    parser.add_argument("--target", type=float, default=0.99, help="share of values to decode correctly (.99)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run_capacity)


def _register_encode(commands: Any) -> None:
    parser = commands.add_parser(
        "encode",
        help="write document vectors to a file",
        description=f"Read {INPUTS}, and write one vector per document: float32, or sign bits with --packed, 64 per "
        "word. A Parquet file also stores sources and keys.",
    )
    add_inputs(parser)
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="number of processes (all cores)"
    )
    parser.add_argument("-o", "--output", required=True, metavar="VECTORS", help="file to write: .npy or .parquet")
    parser.add_argument("--packed", action="store_true", help="write sign bits instead of floats")
    add_encoder_options(parser)
    parser.set_defaults(run=run_encode)


def run_encode(arguments: argparse.Namespace) -> int:
    """Run ``hdc json encode``."""
    from hdc.apps.json.build.encode_files import PART_BYTES, encode_files
    from hdc.apps.json.build.inputs import Inputs

    encoder = encoder_of(arguments, output="packed" if arguments.packed else "float")
    jobs, limits = integer(arguments.jobs, "--jobs", 1), limits_of(arguments)
    with Inputs.of(arguments.files, arguments.on_error, arguments.items, limits, PART_BYTES) as inputs:
        encode_files(inputs, arguments.output, encoder, fit=not arguments.no_fit, rejects=arguments.rejects, jobs=jobs)
    size = os.path.getsize(arguments.output)
    print(f"{documents(inputs.counts.read)} in {arguments.output} ({size / 1e6:.1f} MB)")
    tell_rejected(inputs.counts.rejected)
    return 0


def run_decode(arguments: argparse.Namespace) -> int:
    """Run ``hdc json decode``."""
    from hdc.apps.json.index.index import JSONIndex

    with JSONIndex.open(arguments.index) as index:
        found = index.encoder.decode(index.vectors([arguments.id])[0], arguments.path, arguments.k)
    if arguments.json:
        print(json.dumps([value._asdict() for value in found], indent=2))
        return 0
    print("confidence  value")
    for value in found:
        print(f"{value.confidence:10.1%}  {json.dumps(value.value)}")
    return 0


def run_capacity(arguments: argparse.Namespace) -> int:
    """Run ``hdc json capacity``."""
    from hdc.apps.json.index.index import JSONIndex

    with JSONIndex.open(arguments.index) as index:
        examples = (index.document(number) for number in itertools.islice(index.ids().tolist(), EXAMPLES))
        capacity = index.encoder.capacity(examples, arguments.target)
    print(json.dumps(capacity.to_json(), indent=2) if arguments.json else capacity)
    return 0
