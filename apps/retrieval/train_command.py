"""``hdc embed train``: train a model that turns vectors into codes."""

import argparse
import os
from typing import TYPE_CHECKING, Any

from hdc.apps import verbs
from hdc.apps.retrieval.changes import add_vectors, open_file
from hdc.errors import ParameterError

if TYPE_CHECKING:
    from hdc.apps.retrieval.binarizers import Binarizer

OPTIONS: dict[str, tuple[str, ...]] = {
    "rabitq": ("lists", "component_bits", "metric"),
    "scalar": ("code_size", "metric"),
    "sign": ("bits", "metric"),
    "recurrent": ("bits", "metric", "loops", "prefixes", "rounds", "epochs", "checkpoint"),
    "orthohash": ("bits", "epochs", "labels", "label_column"),
}
"""Options of each binarizer; the first binarizer is the default."""

DEFAULT = next(iter(OPTIONS))

BITS = 512
"""Default bits per code, for binarizers with a choice."""

SAMPLE = 50_000
"""Most vectors that a model without lists learns from."""


def register(commands: Any) -> None:
    """Add ``train`` to the commands of ``hdc embed``."""
    parser = commands.add_parser(
        "train",
        help="train a model that turns vectors into codes",
        description=f"Train on at most {SAMPLE:,} random vectors, or 64 per list. Only orthohash needs labels. The "
        "same vectors, options and seed give the same model. hdc embed auto chooses a model for you.",
    )
    add_vectors(parser)
    parser.add_argument("-o", "--output", required=True, metavar="MODEL", help="folder to write")
    parser.add_argument("--binarizer", choices=tuple(OPTIONS), default=DEFAULT, help=f"kind of code ({DEFAULT})")
    parser.add_argument(
        "--lists", type=int, help="rabitq: number of lists (4 times the root of the vectors; 1 for few)"
    )
    parser.add_argument("--component-bits", type=int, help="rabitq: bits per component, 1 to 9 (1)")
    parser.add_argument("--code-size", type=int, help="scalar: bytes per code, a multiple of 8 (2 bits per component)")
    parser.add_argument("--bits", type=int, help=f"sign, recurrent, orthohash: bits per code ({BITS})")
    parser.add_argument(
        "--metric",
        choices=("cosine", "ip", "l2"),
        help="rabitq, scalar, sign, recurrent: cosine, inner product or Euclidean distance (cosine)",
    )
    parser.add_argument("--loops", type=int, help="recurrent: BEBR's loops; a component has one bit more (0)")
    parser.add_argument(
        "--prefixes", type=numbers, metavar="BITS,...", help="recurrent: prefixes of a code that are codes themselves"
    )
    parser.add_argument("--rounds", type=int, help="recurrent: most rounds of refining codes and tables (8)")
    epochs = "epochs of gradient training with torch (recurrent 0, orthohash 40)"
    parser.add_argument("--epochs", type=int, help=epochs)
    parser.add_argument("--labels", metavar="FILE", help="orthohash: text file of classes, one line per row")
    parser.add_argument("--label-column", metavar="COLUMN", help="orthohash: column of classes in the Parquet file")
    parser.add_argument(
        "--checkpoint", metavar="FOLDER", help="recurrent: save the training state here, and resume from it"
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed (0)")
    verbs.add_cluster(parser)
    verbs.add_backend(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run ``hdc embed train``."""
    _check_options(arguments)
    _check_output(arguments.output)
    if arguments.cluster is None:
        learned = _train(arguments)
    else:
        from hdc.apps.cluster import Cluster

        there = argparse.Namespace(**vars(arguments))
        del there.run
        for name in ("vectors", "output", "labels", "checkpoint"):  # a worker works in a folder of its own
            setattr(there, name, os.path.abspath(path) if (path := getattr(arguments, name)) else path)
        with Cluster(arguments.cluster) as cluster:
            (learned,) = cluster.in_order(_train_there, [there])
    print(f"{arguments.output}: {learned}")
    return 0


def _train_there(arguments: argparse.Namespace) -> str:
    """Train on a worker of a cluster, with all its threads."""
    from distributed import get_worker

    import hdc

    hdc.threads(get_worker().state.nthreads)
    return _train(arguments)


def _train(arguments: argparse.Namespace) -> str:
    """Train and save a model; return a summary for the user."""
    from hdc.apps.retrieval.vectors.rows import unit
    from hdc.search.kmeans import PER_LIST

    vectors = open_file(arguments, labeled=True)
    model = _new_model(arguments, vectors.rows)
    lists = getattr(model, "lists", 1)
    drawn, labels = vectors.keyed_sample(max(SAMPLE, PER_LIST * lists), arguments.seed)
    kept = {} if arguments.checkpoint is None else {"checkpoint": arguments.checkpoint}
    model.fit(drawn if hasattr(model, "metric") else unit(drawn), labels, **kept)
    model.save(arguments.output)
    learned = f"{len(drawn):,} of {vectors.rows:,} vectors"
    found = f"{lists:,} lists, " if lists > 1 else ""
    found += "" if model.space_.metric == "cosine" else f"{model.space_.metric}, "
    return f"{found}{model.bits} bits, {model.bytes_per_vector} bytes per vector, learned from {learned}"


def _check_options(arguments: argparse.Namespace) -> None:
    """Raise ParameterError if an option belongs to another binarizer, or labels are missing."""
    chosen, own = arguments.binarizer, OPTIONS[arguments.binarizer]
    for name in dict.fromkeys(name for options in OPTIONS.values() for name in options):
        if getattr(arguments, name) is not None and name not in own:
            *others, last = (binarizer for binarizer, options in OPTIONS.items() if name in options)
            listed = f"{', '.join(others)} and {last}" if others else last
            raise ParameterError(f"{_flag(name)} is for {listed}; {chosen} has {', '.join(map(_flag, own))}")
    if chosen == "orthohash" and (arguments.labels is None) == (arguments.label_column is None):
        raise ParameterError("orthohash learns from labels; pass either --labels or --label-column")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _check_output(path: str) -> None:
    """Raise before training if the model would be written among other files."""
    used = os.path.exists(path) and (not os.path.isdir(path) or bool(os.listdir(path)))
    if used and not os.path.isfile(os.path.join(path, "model.json")):
        raise ParameterError(f"{path} exists and is not a model; name another folder, or remove it first")


def _new_model(arguments: argparse.Namespace, rows: int) -> "Binarizer":
    """Return an unfitted model for a file of ``rows`` vectors."""
    from hdc.apps.retrieval import binarizers
    from hdc.apps.retrieval.tuning.recipes import lists_for
    from hdc.checks import integer

    common: dict[str, Any] = {"seed": arguments.seed, "backend": arguments.backend or verbs.COMPILED}
    if arguments.binarizer != "orthohash":
        common["metric"] = arguments.metric or "cosine"
    named = ("rounds", "epochs", "component_bits", "code_size")
    common |= {name: getattr(arguments, name) for name in named if getattr(arguments, name) is not None}
    if arguments.binarizer == "rabitq":
        return binarizers.RaBitQBinarizer(lists_for(rows) if arguments.lists is None else arguments.lists, **common)
    if arguments.binarizer == "scalar":
        return binarizers.ScalarBinarizer(**common)
    bits = integer(BITS if arguments.bits is None else arguments.bits, "--bits", 1)
    if arguments.binarizer == "sign":
        return binarizers.SignBinarizer(bits, **common)
    if arguments.binarizer == "orthohash":
        return binarizers.OrthoHashBinarizer(bits, **common)
    loops = integer(arguments.loops or 0, "--loops", 0)
    if bits % (loops + 1):
        raise ParameterError(f"--bits {bits} is not a multiple of the {loops + 1} bits per component")
    prefixes = tuple(arguments.prefixes or ())
    return binarizers.RecurrentBinarizer(bits // (loops + 1), loops=loops, prefixes=prefixes, **common)


def numbers(text: str) -> list[int]:
    """Parse the numbers of an option such as ``10,100``."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected numbers such as 10,100, got {text!r}") from None
