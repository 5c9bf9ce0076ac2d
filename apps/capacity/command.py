"""``hdc capacity``: dimension, compare, run, plot, schlegel, report."""

import argparse
import json
import os
from typing import Any

from hdc.apps import verbs
from hdc.apps.arguments import add_list
from hdc.errors import ParameterError, UnsupportedError

OPTIONS = {
    "tolerance": (float, "intersection: largest allowed error of its size, in members"),
    "other": (int, "intersection: size of the other set (same as --items)"),
    "overlap": (int, "intersection: size of the intersection (the worst case)"),
    "factors": (int, "bindings: vectors per binding (2)"),
    "repeats": (int, "sequence: most occurrences of one symbol (1)"),
    "shape": (str, "nested: tree or chain (tree)"),
    "depth": (int, "nested: number of levels"),
    "ones": (int, "Bloom, CountingBloom: ones per atom (the best number)"),
}


def register(subparsers: Any) -> None:
    """Add ``capacity`` and its subcommands to the parser of ``hdc``."""
    parser = subparsers.add_parser("capacity", help="find the dimension a task needs, by bounds and experiments")
    commands = parser.add_subparsers(metavar="command", required=True)
    _register_dimension(commands)
    _register_compare(commands)
    _register_run(commands)
    _register_plot(commands)
    _register_schlegel(commands)
    _register_report(commands)


def _register_dimension(commands: Any) -> None:
    parser = commands.add_parser("dimension", help="compute the dimension a task needs, by every bound")
    parser.add_argument("--model", required=True, help="MAP-I, MAP-B, Bloom, CountingBloom, MBAT, Hopfield, Hopfield±")
    _add_question(parser)
    parser.set_defaults(run=run_dimension)


def _register_compare(commands: Any) -> None:
    parser = commands.add_parser("compare", help="compare all models, least storage first")
    _add_question(parser)
    parser.add_argument("--bound", default="rigorous", help="bound to apply: rigorous, gaussian or paper (rigorous)")
    parser.set_defaults(run=run_compare)


def _add_question(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--task",
        default="membership",
        help="membership, intersection, key-value, bindings, sequence or nested (membership)",
    )
    parser.add_argument("--items", type=number, required=True, help="number of members, pairs, bindings or positions")
    parser.add_argument("--universe", type=number, help="number of symbols to distinguish; 1e6 is accepted")
    parser.add_argument("--error", type=float, default=0.01, help="allowed probability of any wrong answer (0.01)")
    parser.add_argument(
        "--own", action="store_true", default=None, help="bindings: each has a factor that no other has"
    )
    for name, (kind, text) in OPTIONS.items():
        parser.add_argument(f"--{name}", type=number if kind is int else kind, help=text)
    parser.add_argument("--json", action="store_true", help="print JSON")


def _register_run(commands: Any) -> None:
    parser = commands.add_parser("run", help="run experiments on a grid of settings; resumes where it stopped")
    parser.add_argument(
        "--experiment",
        required=True,
        help="a task of hdc capacity dimension; or bundle, pairs or unbinding, after Schlegel et al.",
    )
    add_list(parser, "--models", str, required=True, help="names of models, separated by spaces or commas")
    add_list(parser, "--dims", number, required=True, help="dimensions, separated by spaces or commas")
    add_list(parser, "--items", number, help="numbers of items, separated by spaces or commas")
    add_list(parser, "--universe", number, help="numbers of symbols, separated by spaces or commas")
    parser.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE,...",
        help="any other parameter; repeatable",
    )
    parser.add_argument("--backend", default="auto", help="backend of the models (auto)")
    parser.add_argument("--device", default="cpu", help="device of the backend: cpu, or cuda for torch (cpu)")
    parser.add_argument("--trials", type=number, default=1000, help="trials per grid point (1000)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (0)")
    parser.add_argument("--jobs", type=int, default=-1, help="number of processes; -1: one per core (-1)")
    verbs.add_cluster(parser)
    parser.add_argument(
        "-o", "--output", required=True, metavar="RESULTS", help="SQLite file of results, created or continued"
    )
    parser.set_defaults(run=run_run)


def _register_plot(commands: Any) -> None:
    parser = commands.add_parser("plot", help="plot measured points over the predicted curves")
    parser.add_argument("results", metavar="RESULTS")
    parser.add_argument("-o", "--output", required=True, metavar="FIGURE", help="file to write: .png, .svg or .pdf")
    parser.add_argument("--axis", help="parameter of the x axis (the one with most values)")
    parser.set_defaults(run=run_plot)


def _register_schlegel(commands: Any) -> None:
    parser = commands.add_parser(
        "schlegel",
        help="find the smallest dimension for 99 %% accuracy, for all models",
        description="Measure bundles and bound pairs as Schlegel, Neubert and Protzel (2022) do, by sequential tests. "
        "The smallest dimension lies between 'shown above' and 'shown up to' with 95 % confidence.",
    )
    add_list(parser, "--models", str, help="names of models, separated by spaces or commas (all registered ones)")
    parser.add_argument("--items", type=number, default=15, help="number of vectors or pairs per bundle (15)")
    parser.add_argument("--universe", type=number, default=1000, help="number of symbols to distinguish (1000)")
    parser.add_argument("--target", type=float, default=0.99, help="share of correct answers (0.99)")
    parser.add_argument("--backend", default="auto", help="backend of the models (auto)")
    parser.add_argument("--device", default="cpu", help="device of the backend: cpu, or cuda for torch (cpu)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (0)")
    parser.add_argument("--jobs", type=int, default=-1, help="number of processes; -1: one per core (-1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run_schlegel)


def _register_report(commands: Any) -> None:
    parser = commands.add_parser("report", help="write figures and tables of a results file as one HTML file")
    parser.add_argument("results", metavar="RESULTS")
    parser.add_argument("-o", "--output", required=True, metavar="REPORT", help="HTML file to write")
    parser.add_argument("--question", help="heading of the report")
    parser.set_defaults(run=run_report)


def run_dimension(arguments: argparse.Namespace) -> int:
    """Run ``hdc capacity dimension``."""
    from hdc.apps.capacity import display, theory

    question = {"items": arguments.items, "universe": arguments.universe, "error": arguments.error}
    rows, refusals = [], []
    for kind in theory.KINDS:
        try:
            dim = theory.dimension(arguments.task, arguments.model, bound=kind, **question, **_options(arguments))
        except UnsupportedError as refusal:
            refusals.append(refusal)
            continue
        found = theory.find(arguments.task, arguments.model, kind)
        rows.append((kind, dim, found.statement, found.source, found.standing))
    if not rows:
        raise refusals[0]
    if arguments.json:
        keys = ("bound", "dim", "statement", "source", "standing")
        print(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], ensure_ascii=False))
        return 0
    lines = display.text((("bound", "dimension"), [row[:2] for row in rows]))
    print("\n".join(lines))
    for kind, _, statement, source, standing in rows:
        print(f"\n{kind}: {statement}\n  Source: {source}\n  Standing: {standing}")
    return 0


def run_compare(arguments: argparse.Namespace) -> int:
    """Run ``hdc capacity compare``."""
    from hdc.apps.capacity import display, theory

    choices = theory.best(
        arguments.task,
        arguments.items,
        arguments.universe,
        arguments.error,
        bound=arguments.bound,
        **_options(arguments),
    )
    heading = ("model", "dimension", "storage bits", "standing")
    rows = [(c.model, c.dim, c.bits, c.bound.standing.partition(";")[0].rstrip(".")) for c in choices]
    if arguments.json:
        keys = ("model", "dim", "bits", "standing")
        print(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], ensure_ascii=False))
    else:
        print("\n".join(display.text((heading, rows))))
    return 0


def run_run(arguments: argparse.Namespace) -> int:
    """Run ``hdc capacity run``."""
    from hdc.apps.capacity import display, experiments

    grid: dict[str, Any] = {"model": arguments.models, "dim": arguments.dims, "backend": arguments.backend}
    grid.update({name: getattr(arguments, name) for name in ("items", "universe") if getattr(arguments, name)})
    grid.update({"device": arguments.device} if arguments.device != "cpu" else {})
    grid.update(_parameter(text) for text in arguments.parameter)
    points = experiments.run(
        arguments.experiment,
        grid,
        arguments.trials,
        arguments.seed,
        n_jobs=arguments.jobs,
        results=arguments.output,
        cluster=arguments.cluster,
    )
    print("\n".join(display.text(display.points_table(points))))
    return 0


def run_plot(arguments: argparse.Namespace) -> int:
    """Run ``hdc capacity plot``."""
    from hdc.apps.capacity import plots

    plots.save(_stored(arguments.results), arguments.output, arguments.axis)
    print(f"{arguments.output} written")
    return 0


def run_schlegel(arguments: argparse.Namespace) -> int:
    """Run ``hdc capacity schlegel``."""
    from hdc.apps.capacity import display, schlegel

    rows = schlegel.table(
        arguments.models,
        items=arguments.items,
        universe=arguments.universe,
        target=arguments.target,
        seed=arguments.seed,
        backend=arguments.backend,
        device=arguments.device,
        n_jobs=arguments.jobs,
    )
    keys = ("model", "protocol", "dimension", "shown above", "shown up to", "formula", "trials")
    values = [
        (r.model, r.protocol, r.measured.dim, r.measured.below, r.measured.above, r.predicted, r.measured.trials)
        for r in rows
    ]
    if arguments.json:
        print(json.dumps([dict(zip(keys, row, strict=True)) for row in values]))
    else:
        print("\n".join(display.text((keys, values))))
    return 0


def run_report(arguments: argparse.Namespace) -> int:
    """Run ``hdc capacity report``."""
    from hdc.apps.capacity import report

    report.write(_stored(arguments.results), arguments.output, arguments.question or report.QUESTION)
    print(f"{arguments.output} written")
    return 0


def number(text: str) -> int:
    """Read a whole number; ``1e6`` is one."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r}") from None
    if value != value or abs(value) == float("inf") or value != int(value):
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r}")
    return int(text) if text.lstrip("+-").isdigit() else int(value)


def _parameter(text: str) -> tuple[str, Any]:
    name, sign, values = text.partition("=")
    if not (name and sign and values):
        raise ParameterError(f"expected -p NAME=VALUE or NAME=VALUE,VALUE..., got {text!r}")
    read = [_literal(value) for value in values.split(",")]
    return name, read if len(read) > 1 else read[0]


def _literal(text: str) -> Any:
    try:
        value = float(text)
    except ValueError:
        return text
    return int(value) if value == int(value) else value


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    given = {name: getattr(arguments, name) for name in (*OPTIONS, "own")}
    return {name: value for name, value in given.items() if value is not None}


def _stored(path: str) -> Any:
    from hdc.apps.capacity.results import Results

    if not os.path.isfile(path):
        raise ParameterError(f"{path}: no such results file; create it with hdc capacity run -o {path}")
    return Results(path).points()
