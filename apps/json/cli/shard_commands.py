"""``hdc json merge`` and ``hdc json split``."""

import argparse
from typing import Any

from hdc.apps import verbs
from hdc.apps.json.cli.options import documents


def register(commands: Any) -> None:
    """Add both commands."""
    parser = commands.add_parser(
        "merge",
        help="make one index of several",
        description="Copy the documents of several indexes of one encoder into one. Those of hdc json split keep their "
        "ids; others are counted, index by index. Interrupted, the same command goes on.",
    )
    parser.add_argument("indexes", nargs="+", metavar="INDEX", help="made with the same encoder; or a folder of shards")
    parser.add_argument("-o", "--output", required=True, metavar="INDEX", help="the index to make or replace")
    parser.set_defaults(run=run_merge)
    parser = commands.add_parser(
        "split",
        help="cut an index into shards",
        description="Copy an index into a folder of shards, which every command of hdc json takes as one index, with "
        "the same ids.",
    )
    parser.add_argument("index", metavar="INDEX")
    parser.add_argument("shards", type=int, metavar="N", help="how many")
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER", help="a new folder")
    parser.set_defaults(run=run_split)


def run_merge(arguments: argparse.Namespace) -> int:
    """Run ``hdc json merge``."""
    from hdc.apps.json.index.reshaping import merge

    indexes = arguments.indexes
    with verbs.watched():
        count = merge(indexes[0] if len(indexes) == 1 else indexes, arguments.output)
    print(f"{documents(count)} in {arguments.output} ({verbs.size_of(arguments.output) / 1e6:.1f} MB)")
    return 0


def run_split(arguments: argparse.Namespace) -> int:
    """Run ``hdc json split``."""
    from hdc.apps.json.index.index import JSONIndex
    from hdc.apps.json.index.reshaping import split
    from hdc.store import Store

    with verbs.watched():
        made = split(arguments.index, arguments.shards, arguments.output)
    count = 0
    for place in made:
        with Store.open(place, JSONIndex.KIND) as store:
            count += len(store)
    size = verbs.size_of(arguments.output) / 1e6
    print(f"{documents(count)} in {len(made)} shards in {arguments.output} ({size:.1f} MB)")
    return 0
