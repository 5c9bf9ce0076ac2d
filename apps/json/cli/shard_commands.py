"""``hdc json merge`` and ``hdc json split``."""

import argparse
from typing import Any

from hdc.apps import verbs
from hdc.apps.json.cli.options import documents


def register(commands: Any) -> None:
    """Add both commands."""
    verbs.register_shards(
        commands, "hdc json", "document", "encoder", "every command of hdc json accepts", (run_merge, run_split)
    )


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
