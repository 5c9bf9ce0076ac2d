"""``hdc embed auto``: an index that is chosen for the vectors."""

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hdc.apps import verbs
from hdc.apps.retrieval.changes import add_keys, add_vectors, open_file

if TYPE_CHECKING:
    from hdc.apps.retrieval.tuning.tuned import Tuned


def register(commands: Any) -> None:
    """Add ``auto`` to the commands of ``hdc embed``."""
    parser = commands.add_parser(
        "auto",
        help="choose and build the best index for your vectors, by measurement",
        description="Try codes and settings on a sample. Choose the fastest that reach --recall within --bytes, and "
        "build the index of all vectors. Searches use the chosen settings by default.",
    )
    add_vectors(parser)
    add_keys(parser)
    parser.add_argument("-o", "--output", required=True, metavar="INDEX", help="index to create or replace")
    parser.add_argument("--recall", type=float, default=0.95, help="share of the k nearest to find (0.95)")
    parser.add_argument(
        "--bytes", type=int, help="most bytes a search may read per vector: code, vector kept, links of a graph (any)"
    )
    parser.add_argument(
        "--no-graph", action="store_true", help="try no graph: for vectors that change often, or searches of some"
    )
    parser.add_argument(
        "--metric", choices=("cosine", "ip", "l2"), help="metric (cosine if all vectors have one length, else l2)"
    )
    parser.add_argument("--queries", metavar="FILE", help="sample of the queries to expect (some of the vectors)")
    parser.add_argument("-k", type=int, default=10, help="number of neighbors to find (10)")
    parser.add_argument("--plot", metavar="FILE", help="plot the measurements (.png, .svg, .pdf)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--seed", type=int, default=0, help="random seed (0)")
    verbs.add_backend(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run ``hdc embed auto``."""
    from hdc.apps.retrieval.evaluation import plots
    from hdc.apps.retrieval.files.vectors import open_vectors
    from hdc.apps.retrieval.tuning.tuned import tune

    if arguments.plot:
        plots.check()
    found = tune(
        open_file(arguments, keyed=True),
        recall=arguments.recall,
        bytes_per_vector=arguments.bytes,
        metric=arguments.metric,
        queries=None if arguments.queries is None else open_vectors(arguments.queries).read().vectors,
        k=arguments.k,
        seed=arguments.seed,
        backend=arguments.backend or verbs.COMPILED,
        graph=not arguments.no_graph,
    )
    if arguments.plot:
        plots.save([trial.measured for trial in found.trials], arguments.k, arguments.plot)
    _show_trials(found, arguments)
    index, measured = found.index(arguments.output)
    with index:
        count, kind = verbs.counted_rows(len(index), "vector"), index.kind
    if arguments.json:
        more = {"metric": found.wish.metric, "kind": kind, "growth": asdict(found.growth)}
        verbs.show([json.dumps({"index": {**asdict(measured), **more}})])
        return 0
    rate = f"{measured.queries_per_second:,.0f} queries/s in a batch"
    size = f"{measured.bytes_per_vector:g} bytes per vector"
    verbs.show(
        [
            "",
            f"{count} in {arguments.output} ({verbs.size_of(arguments.output) / 1e6:.1f} MB): {measured.name}",
            f"metric {found.wish.metric}: {found.why}",
            f"asked recall@{arguments.k} {arguments.recall:g}, got {measured.recall:.3f} ({size}, {rate})",
        ]
    )
    return 0


def _show_trials(found: "Tuned", arguments: argparse.Namespace) -> None:
    if arguments.json:
        verbs.show([json.dumps({"trial": asdict(trial.measured)}) for trial in found.trials])
    else:
        verbs.show([*found.table(), *filter(None, [str(found.growth)])])
