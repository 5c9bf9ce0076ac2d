"""``hdc learn export``: a model of plain bits for C, JavaScript and :class:`BitClassifier`."""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.learn.bits import BitClassifier
from hdc.apps.learn.cli import trained
from hdc.apps.learn.cli.options import counted, opened, size_text
from hdc.apps.learn.tables.frames import MOST_CELLS, blocks_of
from hdc.apps.learn.tables.schema import Schema
from hdc.errors import ParameterError, UnsupportedError

SAMPLE = 20_000
"""Most rows to compare a model of bits on."""


class BitLearner:
    """A learner whose class vectors are quantized once they are learned.

    Parameters
    ----------
    learner : HDClassifier
    bits : 1, 2 or 4
    """

    def __init__(self, learner: Any, bits: int) -> None:
        self.learner, self.bits = learner, bits

    def fit(self, X: Any, y: Any) -> "BitLearner":
        """Learn, and quantize."""
        self.learner.fit(X, y)
        self.model = BitClassifier.of_classifier(self.learner, self.bits)
        return self

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return classes, found in bits."""
        return self.model.predict(numbers_of(X))


def numbers_of(features: Any) -> npt.NDArray[np.float64]:
    """Return a data frame of numbers as ``(n, columns)`` float64; raises UnsupportedError for anything else.

    Raises
    ------
    UnsupportedError
        If rows are documents, or a column is not of numbers: bits encode numbers only.
    """
    if not hasattr(features, "dtypes") or any(kind.kind != "f" for kind in features.dtypes):
        raise UnsupportedError(
            "bit models encode numbers, and this table has other columns; leave these out with --drop"
        )
    return np.ascontiguousarray(features.to_numpy(dtype=np.float64))


def bit_model_size(learned: BitLearner) -> int:
    """Return the bytes of the exported model."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        learned.model.export(path)
        return path.stat().st_size


def run(arguments: argparse.Namespace) -> int:
    """Run ``hdc learn export``."""
    learner, schema = trained.load(arguments.model, arguments.backend)
    if schema.task != "classify":
        raise UnsupportedError(f"{arguments.model} predicts a number; bit models predict classes only")
    if Path(arguments.output).is_dir() or not Path(arguments.output).absolute().parent.is_dir():
        raise ParameterError(f"{arguments.output}: expected a file to write in an existing folder")
    _check_columns(schema)
    model = BitClassifier.of_classifier(learner, arguments.bits)
    features, targets = (None, None) if arguments.file is None else _sample(arguments, schema)
    model.export(arguments.output)
    size = Path(arguments.output).stat().st_size
    print(f"{arguments.output}: {size_text(size)}, {model.dim:,} components of {counted(model.bits, 'bit')}")
    if features is not None:
        agree = np.mean(model.predict(features) == learner.predict(_frame(schema, features)))
        right = np.mean(model.predict(features) == targets)
        print(f"accuracy {right:.3f} on {counted(len(features), 'row')}; {agree:.1%} as the model predicts")
    if arguments.readers is not None:
        print(f"{', '.join(map(str, BitClassifier.write_readers(arguments.readers)))} written")
    return 0


def _check_columns(schema: Schema) -> None:
    others = [name for name, kind in schema.columns.items() if kind not in ("numeric", "date")]
    if schema.documents or others:
        what = "documents" if schema.documents else f"column {others[0]!r} of kind {schema.columns[others[0]]}"
        raise UnsupportedError(f"bit models encode numbers, and this model has {what}; train again without it (--drop)")


def _sample(arguments: argparse.Namespace, schema: Schema) -> tuple[npt.NDArray[np.float64], npt.NDArray[Any]]:
    most = max(1, min(SAMPLE, MOST_CELLS // len(schema.columns)))
    features, targets, rows = [], [], 0
    with opened(arguments) as table:
        for block in blocks_of(table, schema):
            features.append(numbers_of(block.features))
            targets.append(block.targets)
            rows += len(block)
            if rows >= most:
                break
    if not rows:
        raise ParameterError(f"{arguments.file} has no row whose {schema.target} is known")
    return np.concatenate(features)[:most], np.concatenate(targets)[:most]


def _frame(schema: Schema, features: npt.NDArray[np.float64]) -> Any:
    import pandas

    return pandas.DataFrame(features, columns=list(schema.columns))
