"""``hdc warmup``: compile every kernel now, so that no later command waits for it."""

import argparse
import time
from typing import Any


def register(subparsers: Any) -> None:
    """Add ``warmup`` to the parser of ``hdc``."""
    parser = subparsers.add_parser("warmup", help="compile all kernels now and cache them on disk")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run ``hdc warmup``."""
    from hdc.dispatch import backend

    began = time.perf_counter()
    chosen = backend("auto")
    chosen.warmup()
    print(f"All kernels of the {chosen.name} backend are compiled ({time.perf_counter() - began:.1f} s).")
    return 0
