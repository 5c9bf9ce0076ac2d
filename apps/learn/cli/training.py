"""``hdc learn train``: learn a model from a file, at once or block by block."""

import argparse
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hdc.apps.learn.cli import trained
from hdc.apps.learn.cli.options import counted, described, opened, schema_of, size_text
from hdc.apps.learn.quiet import quiet
from hdc.apps.learn.tables.frames import Rows, all_rows, blocks_of
from hdc.apps.learn.tables.schema import Schema
from hdc.apps.learn.tables.source import STDIN, Source
from hdc.apps.progress import tracked
from hdc.checks import integer
from hdc.errors import ParameterError, UnsupportedError

SUFFIX = ".hdcl"


def run(arguments: argparse.Namespace) -> int:
    """Run ``hdc learn train``."""
    output = _output(arguments)
    passes = integer(arguments.passes, "passes", 1)
    if passes > 1 and not arguments.stream:
        raise ParameterError("--passes needs --stream; without it, pass --set epochs=N")
    settings = trained.parse_settings(arguments.settings)
    with opened(arguments) as table:
        start = time.perf_counter()
        schema = schema_of(table, arguments, [])
        learner = trained.learner(
            schema, rule=arguments.rule, dim=arguments.dim, settings=settings, backend=arguments.backend
        )
        print(described(schema))
        with quiet():
            rows = _stream(learner, table, schema, passes) if arguments.stream else _fit(learner, table, schema)
    trained.save(learner, schema, output)
    seconds = time.perf_counter() - start
    print(f"{output}: {size_text(Path(output).stat().st_size)}, learned from {counted(rows, 'row')} in {seconds:.1f} s")
    return 0


def _output(arguments: argparse.Namespace) -> str:
    """Return the output file, after checking that it can be written."""
    output: str | None = arguments.output
    if output is None and arguments.file == STDIN:
        raise ParameterError("standard input has no name; name the model with -o MODEL")
    output = output or Path(arguments.file).name.split(".")[0] + SUFFIX
    if Path(output).is_dir() or not Path(output).absolute().parent.is_dir():
        raise ParameterError(f"{output}: expected a file to write in an existing folder")
    if Path(output).exists() and Path(arguments.file).exists() and Path(output).samefile(arguments.file):
        raise ParameterError(f"{output} is the input; name another file for the model")
    return output


def _fit(learner: Any, table: Source, schema: Schema) -> int:
    rows = all_rows(table, schema)
    learner.fit(rows.features, rows.targets)
    return len(rows)


def _stream(learner: Any, table: Source, schema: Schema, passes: int) -> int:
    """Learn from blocks of the file, in one or several passes."""
    if not hasattr(learner, "partial_fit"):
        rule = getattr(learner, "rule", "")
        raise UnsupportedError(f"rule {rule!r} needs all rows at once; leave out --stream, or choose another --rule")
    learned = _learned(learner, (block for _ in range(passes) for block in blocks_of(table, schema)), schema)
    return sum(1 for _ in tracked(learned, schema.rows * passes, unit="rows")) // passes


def _learned(learner: Any, blocks: Iterable[Rows], schema: Schema) -> Iterator[int]:
    """Learn from each block, and yield its rows afterwards."""
    given = {"classes": schema.classes} if schema.classes else {}
    for block in blocks:
        learner.partial_fit(block.features, block.targets, **given)
        yield from range(len(block))
