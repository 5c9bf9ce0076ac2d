"""``hdc embed merge`` and ``hdc embed split``."""

import argparse
from typing import Any

from hdc.apps import verbs


def register(commands: Any) -> None:
    """Add both commands."""
    verbs.register_shards(
        commands,
        "hdc embed",
        "vector",
        "model",
        "hdc embed search and ShardedIndex.open search",
        (run_merge, run_split),
    )


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
