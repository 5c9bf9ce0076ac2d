"""``hdc learn``: train, predict, eval, explain, export."""

import argparse
from typing import Any


def register(subparsers: Any) -> None:
    """Add ``learn`` and its subcommands to the parser of ``hdc``."""
    parser = subparsers.add_parser("learn", help="learn to predict a column of a table or a field of documents")
    commands = parser.add_subparsers(metavar="command", required=True)
    _register_train(commands)
    _register_predict(commands)
    _register_eval(commands)
    _register_explain(commands)
    _register_export(commands)


def _register_train(commands: Any) -> None:
    parser = commands.add_parser(
        "train",
        help="learn from a table and write a model",
        description="Learn to predict one column from the others. Whether a column is numeric, dates, categories or "
        "text is inferred from its values. Columns without information are left out, with the reason. In Python, load "
        "the model with hdc.apps.learn.HDClassifier.load.",
    )
    _add_table(parser)
    _add_target(parser)
    parser.add_argument("-o", "--output", metavar="MODEL", help="file to write (FILE with the suffix .hdcl)")
    _add_learner(parser)
    parser.add_argument("--stream", action="store_true", help="learn block by block, for files larger than memory")
    parser.add_argument("--passes", type=int, default=1, metavar="N", help="with --stream: passes over the file (1)")
    parser.set_defaults(run=run_train)


def _register_predict(commands: Any) -> None:
    parser = commands.add_parser(
        "predict",
        help="predict the target of each row of a file",
        description="Print the predicted target of each row as CSV, with the probability of a class. The file is read "
        "in blocks, so it may be larger than memory. If it contains the target, the accuracy is printed at the end.",
    )
    parser.add_argument("model", metavar="MODEL")
    _add_table(parser)
    parser.add_argument("--json", action="store_true", help="print JSON Lines")
    parser.add_argument("--backend", default="auto", metavar="NAME", help="compute with numba, numpy, ... (auto)")
    parser.set_defaults(run=run_predict)


def _register_eval(commands: Any) -> None:
    parser = commands.add_parser(
        "eval",
        help="cross-validate beside other learners on the same folds",
        description="Cross-validate accuracy (R² for a regression) with its standard error, times and model sizes, "
        "beside a constant guess, logistic regression, an RBF support vector machine and gradient boosting on the "
        "same folds.",
    )
    _add_table(parser)
    _add_target(parser)
    _add_learner(parser)
    parser.add_argument("--folds", type=int, default=5, metavar="N", help="number of folds (5)")
    parser.add_argument("--group", metavar="COLUMN", help="column of groups that stay in one fold, such as patients")
    parser.add_argument("--seed", type=int, default=0, help="random seed of the folds (0)")
    parser.add_argument(
        "--bits",
        type=int,
        action="append",
        default=[],
        choices=(1, 2, 4),
        help="also measure a model of bits",
    )
    parser.add_argument("--no-baselines", action="store_true", help="leave out the other learners")
    parser.add_argument("--plot", metavar="FILE", help="plot the accuracies: .png, .svg or .pdf")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run_eval)


def _register_explain(commands: Any) -> None:
    parser = commands.add_parser(
        "explain",
        help="show which columns or fields decided the class of a row",
        description="Show the predicted class of a row, the next best one, and what each column or leaf of a document "
        "contributes to the lead between them. A column's contribution is what the lead loses without it.",
    )
    parser.add_argument("model", metavar="MODEL")
    _add_table(parser)
    parser.add_argument("--row", type=int, default=1, metavar="N", help="number of the row, from 1 (1)")
    parser.add_argument("--reasons", type=int, default=8, metavar="K", help="most contributions to show (8)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--backend", default="auto", metavar="NAME", help="compute with numba, numpy, ... (auto)")
    parser.set_defaults(run=run_explain)


def _register_export(commands: Any) -> None:
    parser = commands.add_parser(
        "export",
        help="write a model of plain bits for microcontrollers and browsers",
        description="Write class vectors of 1, 2 or 4 bits and an integer encoder to one file. reader.c, reader.js and "
        "hdc.apps.learn.BitClassifier read it. Columns must be numbers or dates, in the table's order.",
    )
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="file to write")
    parser.add_argument("--bits", type=int, default=1, choices=(1, 2, 4), help="bits per component (1)")
    parser.add_argument("--rows", dest="file", metavar="FILE", help="table to compare it with MODEL on")
    parser.add_argument("--readers", metavar="FOLDER", help="also write reader.c and reader.js")
    _add_table_options(parser)
    parser.add_argument("--backend", default="auto", metavar="NAME", help="compute with numba, numpy, ... (auto)")
    parser.set_defaults(run=run_export)


def _add_table(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", metavar="FILE", help="CSV, JSON Lines (also .gz, .zst) or Parquet; - reads standard input"
    )
    _add_table_options(parser)


def _add_table_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format", default="auto", choices=("auto", "csv", "json", "parquet"), help="format of FILE (auto)"
    )
    parser.add_argument("--delimiter", metavar="CHAR", help="CSV: separator (the one of , ; tab | in the first line)")
    parser.add_argument("--no-header", action="store_true", help="CSV without a header: names are 'column 1', …")
    parser.add_argument("--encoding", default="utf-8", help="CSV: encoding (utf-8)")


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--target", required=True, metavar="COLUMN", help="column to predict; in documents a path: a.b")
    parser.add_argument("--task", default="auto", choices=("auto", "classify", "regress"), help="kind of target (auto)")
    for kind in ("numeric", "category", "text"):
        parser.add_argument(
            f"--{kind}", action="append", default=[], metavar="COLUMN", help=f"treat this column as {kind}; repeatable"
        )
    parser.add_argument(
        "--drop", action="append", default=[], metavar="COLUMN", help="leave out this column; repeatable"
    )


def _add_learner(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rule", help="learning rule: margin, centroid, online, ridge, ... (margin)")
    parser.add_argument("--dim", type=int, help="dimension of the hypervectors (4096)")
    parser.add_argument(
        "--set", action="append", default=[], dest="settings", metavar="NAME=VALUE",
        help="parameter of HDClassifier or its encoder: epochs=50, bandwidth=2, numeric=density; repeatable",
    )  # fmt: skip
    parser.add_argument("--backend", default="auto", metavar="NAME", help="compute with numba, numpy, ... (auto)")


def run_train(arguments: argparse.Namespace) -> int:
    """Run ``hdc learn train``."""
    from hdc.apps.learn.cli import training

    return training.run(arguments)


def run_predict(arguments: argparse.Namespace) -> int:
    """Run ``hdc learn predict``."""
    from hdc.apps.learn.cli import predicting

    return predicting.run(arguments)


def run_eval(arguments: argparse.Namespace) -> int:
    """Run ``hdc learn eval``."""
    from hdc.apps.learn.cli import comparing

    return comparing.run(arguments)


def run_explain(arguments: argparse.Namespace) -> int:
    """Run ``hdc learn explain``."""
    from hdc.apps.learn.cli import explanations

    return explanations.run(arguments)


def run_export(arguments: argparse.Namespace) -> int:
    """Run ``hdc learn export``."""
    from hdc.apps.learn.cli import exporting

    return exporting.run(arguments)
