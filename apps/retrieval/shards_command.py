"""``hdc embed merge`` and ``hdc embed split``."""

import argparse
from typing import Any

from hdc.apps import verbs


def register(commands: Any) -> None:
    """Add both commands."""
    parser = commands.add_parser(
        "merge",
        help="make one index of several",
        description="Copy the vectors of several indexes of one model into one. Those of hdc embed split keep their "
        "ids; others are counted, index by index. Interrupted, the same command goes on.",
    )
    parser.add_argument("indexes", nargs="+", metavar="INDEX", help="made with the same model; or a folder of shards")
    parser.add_argument("-o", "--output", required=True, metavar="INDEX", help="the index to make or replace")
    parser.set_defaults(run=run_merge)
    parser = commands.add_parser(
        "split",
        help="cut an index into shards",
        description="Copy an index into a folder of shards, which hdc embed search and ShardedIndex.open search as one "
        "index, with the same ids.",
    )
    parser.add_argument("index", metavar="INDEX")
    parser.add_argument("shards", type=int, metavar="N", help="how many")
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER", help="a new folder")
    parser.set_defaults(run=run_split)


def run_merge(arguments: argparse.Namespace) -> int:
    """Run ``hdc embed merge``."""
    from hdc.apps.retrieval.index.reshaping import merge

    indexes = arguments.indexes
    with verbs.watched():
        merged = merge(indexes[0] if len(indexes) == 1 else indexes, arguments.output)
    count = verbs.counted_rows(merged, "vector")
    print(f"{count} in {arguments.output} ({verbs.size_of(arguments.output) / 1e6:.1f} MB)")
    return 0


def run_split(arguments: argparse.Namespace) -> int:
    """Run ``hdc embed split``."""
    from hdc.apps.retrieval.index.reshaping import split
    from hdc.apps.retrieval.index.shards import ShardedIndex

    with verbs.watched():
        made = split(arguments.index, arguments.shards, arguments.output)
    with ShardedIndex.open(arguments.output, backend=verbs.PLAIN) as index:
        count = verbs.counted_rows(len(index), "vector")
    print(f"{count} in {len(made)} shards in {arguments.output} ({verbs.size_of(arguments.output) / 1e6:.1f} MB)")
    return 0
