"""``hdc capacity``: dimension, compare, run, plot, schlegel, report."""

import argparse
import json
import os
from typing import Any

from hdc.apps import verbs
from hdc.errors import ParameterError, UnsupportedError

OPTIONS = {
    "tolerance": (float, "intersection: largest error of the size, in members"),
    "other": (int, "intersection: size of the other set (items)"),
    "overlap": (int, "intersection: size of the intersection (the worst)"),
    "factors": (int, "bindings: vectors in each binding (2)"),
    "repeats": (int, "sequence: how often one symbol may occur (1)"),
    "shape": (str, "nested: tree, or chain for one after another (tree)"),
    "depth": (int, "nested: levels of the tree"),
    "ones": (int, "Bloom, CountingBloom: ones of an atom (the best)"),
}


def register(subparsers: Any) -> None:
    """Add ``capacity`` and its subcommands to the parser of ``hdc``."""
    parser = subparsers.add_parser("capacity", help="how many dimensions, at which error: formulas and experiments")
    commands = parser.add_subparsers(metavar="command", required=True)
    _register_dimension(commands)
    _register_compare(commands)
    _register_run(commands)
    _register_plot(commands)
    _register_schlegel(commands)
    _register_report(commands)


def _register_dimension(commands: Any) -> None:
    parser = commands.add_parser("dimension", help="the dimension that a task needs: every bound there is")
    parser.add_argument("--model", required=True, help="MAP-I, MAP-B, Bloom, CountingBloom, MBAT, Hopfield, Hopfield±")
    _add_question(parser)
    parser.set_defaults(run=run_dimension)


def _register_compare(commands: Any) -> None:
    parser = commands.add_parser("compare", help="all models side by side, the least storage first")
    _add_question(parser)
    parser.add_argument("--bound", default="rigorous", help="rigorous, gaussian or paper (rigorous)")
    parser.set_defaults(run=run_compare)


def _add_question(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--task", default="membership", help="membership, intersection, key-value, bindings, sequence, nested"
    )
    parser.add_argument("--items", type=number, required=True, help="members, pairs, bindings or positions")
    parser.add_argument("--universe", type=number, help="symbols to tell apart; 1e6 is a number")
    parser.add_argument("--error", type=float, default=0.01, help="probability of any wrong answer (0.01)")
    parser.add_argument("--own", action="store_true", default=None, help="bindings: each has a factor of its own")
    for name, (kind, text) in OPTIONS.items():
        parser.add_argument(f"--{name}", type=number if kind is int else kind, help=text)
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def _register_run(commands: Any) -> None:
    parser = commands.add_parser("run", help="measure a grid of settings into a results file; resumes where it stopped")
    parser.add_argument("--experiment", required=True, help="a task, or bundle, pairs, unbinding of Schlegel et al.")
    parser.add_argument("--models", required=True, type=_list(str), help="comma-separated names")
    parser.add_argument("--dims", required=True, type=_list(number), help="comma-separated numbers")
    parser.add_argument("--items", type=_list(number), help="comma-separated numbers")
    parser.add_argument("--universe", type=_list(number), help="comma-separated numbers")
    parser.add_argument(
        "-p", "--parameter", action="append", default=[], metavar="NAME=VALUE,...", help="any other parameter"
    )
    parser.add_argument("--backend", default="auto", help="of the models (auto)")
    parser.add_argument("--device", default="cpu", help="of the backend: cpu, or cuda for torch (cpu)")
    parser.add_argument("--trials", type=number, default=1000, help="at each point (1000)")
    parser.add_argument("--seed", type=int, default=0, help="(0)")
    parser.add_argument("--jobs", type=int, default=-1, help="processes; -1: one a core (-1)")
    verbs.add_cluster(parser)
    parser.add_argument("-o", "--output", required=True, metavar="RESULTS", help="SQLite file, made or continued")
    parser.set_defaults(run=run_run)


def _register_plot(commands: Any) -> None:
    parser = commands.add_parser("plot", help="draw measured points on the theory's lines")
    parser.add_argument("results", metavar="RESULTS")
    parser.add_argument("-o", "--output", required=True, metavar="FIGURE", help=".png, .svg or .pdf")
    parser.add_argument("--axis", help="the parameter along x (the one with most values)")
    parser.set_defaults(run=run_plot)


def _register_schlegel(commands: Any) -> None:
    parser = commands.add_parser(
        "schlegel",
        help="the smallest dimension for 99 %% accuracy, for all models",
        description="Bundles and bound pairs after Schlegel, Neubert and Protzel (2022), by sequential tests. "
        "'shown' are the dimensions between which the target lies with 95 %% confidence.",
    )
    parser.add_argument("--models", type=_list(str), help="comma-separated names (all that are registered)")
    parser.add_argument("--items", type=number, default=15, help="vectors in a bundle, or pairs (15)")
    parser.add_argument("--universe", type=number, default=1000, help="symbols to tell them from (1000)")
    parser.add_argument("--target", type=float, default=0.99, help="share of right answers (0.99)")
    parser.add_argument("--backend", default="auto", help="of the models (auto)")
    parser.add_argument("--device", default="cpu", help="of the backend: cpu, or cuda for torch (cpu)")
    parser.add_argument("--seed", type=int, default=0, help="(0)")
    parser.add_argument("--jobs", type=int, default=-1, help="processes; -1: one a core (-1)")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.set_defaults(run=run_schlegel)


def _register_report(commands: Any) -> None:
    parser = commands.add_parser("report", help="figures and tables of a results file as one HTML file")
    parser.add_argument("results", metavar="RESULTS")
    parser.add_argument("-o", "--output", required=True, metavar="REPORT", help="HTML file to write")
    parser.add_argument("--question", help="the heading")
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
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if value != value or abs(value) == float("inf") or value != int(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text) if text.lstrip("+-").isdigit() else int(value)


def _list(kind: Any) -> Any:
    def read(text: str) -> list[Any]:
        return [kind(part) for part in text.split(",") if part]

    return read


def _parameter(text: str) -> tuple[str, Any]:
    name, sign, values = text.partition("=")
    if not (name and sign and values):
        raise ParameterError(f"-p takes NAME=VALUE or NAME=VALUE,VALUE..., not {text!r}")
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
        raise ParameterError(f"{path}: no such results file; make one with hdc capacity run -o {path}")
    return Results(path).points()
