"""Options that commands share: for inputs and for the encoder's parameters."""

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from hdc.apps.verbs import counted_rows
from hdc.errors import ParameterError

if TYPE_CHECKING:
    from hdc.apps.json.reading import Limits

T = TypeVar("T")

INPUTS = "JSON, JSON Lines, arrays of documents or Parquet, plain or compressed by gzip or zstd"

ARRAYS = ("auto", "bag", "sequence", "soft", "both")
CONVERSIONS = ("dates", "durations", "numbers")


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Add the files to read, and what becomes of bad records."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="file or folder of documents; - reads standard input")
    parser.add_argument(
        "--items",
        metavar="PATH",
        help="path of the documents in each value: features[], {}.entries[], people{}; people{id} also stores each key "
        "as id",
    )
    parser.add_argument(
        "--on-error", choices=("raise", "skip"), default="raise", help="stop at a bad record, or skip it (raise)"
    )
    parser.add_argument("--rejects", metavar="FILE", help="write skipped records to this file")
    parser.add_argument(
        "--max-document-bytes",
        type=size,
        default=64 << 20,
        metavar="N",
        help="reject longer documents; units as in 10M, 2G (64M)",
    )
    parser.add_argument(
        "--max-ratio",
        type=int,
        default=250,
        metavar="N",
        help="reject compressed files that grow more than N-fold, to over 1 GiB (250)",
    )


def limits_of(arguments: argparse.Namespace) -> "Limits":
    """Return the ceilings that options ask for."""
    from hdc.apps.json.reading import Limits

    return Limits(arguments.max_document_bytes, arguments.max_ratio)


def size(text: str) -> int:
    """Read a number of bytes: ``500``, ``64K``, ``10M``, ``2G``."""
    factor = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1:].upper(), 1)
    try:
        return int(text[:-1] if factor > 1 else text) * factor
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected a number of bytes such as 500, 64K, 10M or 2G, got {text!r}"
        ) from None


def add_encoder_options(parser: argparse.ArgumentParser) -> None:
    """Add an option for every parameter of the encoder that fits a command line."""
    group = parser.add_argument_group("vectors")
    group.add_argument("--dim", type=int, default=2048, help="dimension of the vectors (2048)")
    families = ("permutation", "hadamard", "haar")
    group.add_argument("--matrix", choices=families, default="permutation", help="binds keys to values (permutation)")
    group.add_argument("--seed", type=int, default=0, help="random seed of the vectors (0)")
    group.add_argument("--no-fit", action="store_true", help="do not learn rarities and number scales from the files")
    group.add_argument("--no-rarity", action="store_true", help="do not give rare values more weight")
    group.add_argument(
        "--balance", type=float, default=0.0, help="0: every leaf counts alike; 1: every object as one scalar (0)"
    )
    group.add_argument(
        "--weight",
        action="append",
        default=[],
        metavar="PATH=X",
        help="weight of a path and all beneath it; repeatable (1)",
    )
    group.add_argument(
        "--arrays",
        action="append",
        default=[],
        metavar="[PATH=]MODE",
        help=f"whether positions count, in all arrays or in those at and beneath a path: {', '.join(ARRAYS)}; "
        "repeatable (auto: only in arrays of numbers)",
    )
    group.add_argument(
        "--numbers",
        choices=("grid", "smooth"),
        default="grid",
        help="how similarity falls with distance: in steps, or smoothly (grid)",
    )
    group.add_argument("--bandwidth", type=float, default=0.1, help="bandwidth of smooth numbers (0.1)")
    group.add_argument(
        "--convert",
        default="",
        metavar="KINDS",
        help=f"strings to compare as numbers: any of {','.join(CONVERSIONS)} (none)",
    )
    group.add_argument(
        "--strings",
        default="",
        metavar="PART=X,…",
        help="weights of the parts exact, words and ngrams (exact=.5,words=.5)",
    )


def encoder_of(arguments: argparse.Namespace, **more: Any) -> Any:
    """Return the encoder that options ask for.

    Raises
    ------
    ParameterError
        If an option cannot be read, or a value is out of range.
    """
    from hdc.apps.json.encoder.encoder import JSONEncoder

    strings = [part for part in arguments.strings.split(",") if part]
    encoder = JSONEncoder(
        arguments.dim,
        matrix=arguments.matrix,
        seed=arguments.seed,
        arrays=_arrays(arguments.arrays),
        weights=dict(_pair(text, "--weight", float) for text in arguments.weight) or None,
        balance=arguments.balance,
        numbers=arguments.numbers,
        bandwidth=arguments.bandwidth,
        convert=tuple(kind for kind in arguments.convert.split(",") if kind),
        strings=dict(_pair(text, "--strings", float) for text in strings) or None,
        rarity=not arguments.no_rarity,
        **more,
    )
    encoder.check()
    return encoder


def _arrays(texts: list[str]) -> Any:
    rules = dict(_pair(text, "--arrays", str) if "=" in text else ("$", text) for text in texts)
    return rules.get("$", "auto") if rules.keys() <= {"$"} else rules


def _pair(text: str, option: str, kind: Callable[[str], T]) -> tuple[str, T]:
    """Split ``path=value`` at the last equals sign, because a key may contain one."""
    path, equals, value = text.rpartition("=")
    try:
        if not equals:
            raise ValueError
        return path, kind(value)
    except ValueError:
        wanted = "number" if kind is float else "mode"
        raise ParameterError(f"{option} {text}: expected NAME={wanted}") from None


def documents(number: int) -> str:
    """Return a number of documents in words."""
    return counted_rows(number, "document")


def tell_rejected(number: int) -> None:
    """Report on standard error how many records were skipped, if any."""
    if number:
        print(f"skipped {number} bad record{'s' if number > 1 else ''}", file=sys.stderr)
