"""Models of ``hdc learn train``: a learner's own file with the schema of its table."""

import dataclasses
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hdc import files
from hdc.apps.learn.cli.options import value_of
from hdc.apps.learn.tables.schema import Schema
from hdc.checks import known
from hdc.errors import FileFormatError, FileKindError, ParameterError

DIM = 4096

KINDS = {"classify": "learn:HDClassifier", "regress": "learn:HDRegressor"}
"""Kinds of files, by task."""

TABLE = "table"
"""Entry of the file's meta with the schema; learners ignore it."""


def learner(schema: Schema, *, rule: str | None, dim: int | None, settings: Mapping[str, Any], backend: str) -> Any:
    """Return an unfitted learner for a table or documents.

    Parameters
    ----------
    schema : Schema
    rule : str, optional
        How it learns; the learner's default if not given.
    dim : int, optional
        Of its hypervectors.
    settings : mapping of parameter to value
        Of the learner or of its encoder.
    backend : str

    Raises
    ------
    UnknownNameError
        If neither has such a parameter.
    """
    encoder = _encoder(schema, DIM if dim is None else dim, backend)
    made = _class(schema)(encoder, backend=backend)
    if rule is not None:
        made.set_params(rule=rule)
    outside, inside = made.get_params(deep=False), encoder.get_params(deep=False)
    names = sorted({*outside, *inside} - {"encoder", "backend", "columns"})
    for name, value in settings.items():
        target = made if known(name, "parameter", names) in outside else encoder
        target.set_params(**{name: value})
    return made


def _encoder(schema: Schema, dim: int, backend: str) -> Any:
    if schema.documents:
        from hdc.apps.json import JSONEncoder

        return JSONEncoder(dim, backend=backend)
    from hdc.apps.learn import Features

    kinds = {name: "numeric" if kind == "date" else kind for name, kind in schema.columns.items()}
    return Features(dim, columns=kinds, backend=backend)


def save(learned: Any, schema: Schema, path: str | os.PathLike[str]) -> None:
    """Write a fitted learner and its table, replacing a file as a whole or not at all."""
    with tempfile.TemporaryDirectory() as folder:
        aside = Path(folder) / "learner"
        learned.save(aside)
        meta, arrays = files.load(aside, KINDS[schema.task])
    files.save(path, KINDS[schema.task], {**meta, TABLE: schema.to_json()}, arrays)


def load(path: str | os.PathLike[str], backend: str = "auto") -> tuple[Any, Schema]:
    """Read a model that :func:`save` wrote.

    Raises
    ------
    FileFormatError
        If it is not a trained model, or is damaged.
    OSError
        If it cannot be read.
    """
    schema = Schema.from_json(_meta(path).get(TABLE))
    learned = _class(schema).load(path, backend=backend)
    classes = [value_of(label) for label in learned.classes_] if schema.task == "classify" else []
    return learned, dataclasses.replace(schema, classes=classes)


def _class(schema: Schema) -> Any:
    if schema.task == "classify":
        from hdc.apps.learn import HDClassifier

        return HDClassifier
    from hdc.apps.learn import HDRegressor

    return HDRegressor


def _meta(path: str | os.PathLike[str]) -> dict[str, Any]:
    for kind in KINDS.values():
        try:
            return files.load(path, kind)[0]
        except FileKindError as error:
            wrong = error
    raise FileFormatError(f"{wrong} or another model of hdc learn train")


def size(learned: Any) -> int:
    """Return the bytes of a fitted learner's file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "learner"
        learned.save(path)
        return path.stat().st_size


def parse_settings(given: list[str]) -> dict[str, Any]:
    """Return the parameters of ``name=value`` texts; a value is JSON, or a text.

    Raises
    ------
    ParameterError
        If one has no ``=``.
    """
    import json

    settings = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not (name and sign):
            raise ParameterError(f"--set takes name=value, not {text!r}")
        try:
            settings[name] = json.loads(value)
        except ValueError:
            settings[name] = value
    return settings
