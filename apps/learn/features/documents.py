"""Columns of JSON documents, or of the input of the caller's own transformer."""

import json
from typing import Any

import numpy as np

from hdc import MAPB, MBAT, VSA
from hdc.apps.json import JSONEncoder
from hdc.apps.learn.features.members import Members, column_member
from hdc.apps.learn.features.tables import Objects
from hdc.checks import shown
from hdc.errors import ParameterError, UnsupportedError


def json_encoder(vsa: VSA) -> JSONEncoder:
    """Return an encoder of documents whose vectors belong to a model.

    Raises
    ------
    UnsupportedError
        Unless that is MAP-B or MBAT of float32.
    """
    if isinstance(vsa, MAPB):
        return JSONEncoder(vsa.dim, output="packed", seed=vsa.seed)
    if isinstance(vsa, MBAT) and vsa.precision == "float32":
        return JSONEncoder(vsa.dim, seed=vsa.seed)
    raise UnsupportedError(f"columns of kind 'json' are for MAP-B and MBAT, and the model is {vsa.model}")


def documents(values: Objects, name: Any) -> list[Any]:
    """Return the documents of a column: texts are parsed, and missing ones are empty objects.

    Raises
    ------
    ParameterError
        If a text is not JSON.
    """
    found = []
    for value in values:
        try:
            found.append({} if value is None else json.loads(value) if isinstance(value, str) else value)
        except ValueError as error:
            raise ParameterError(f"column {shown(name)} has {shown(value)}, which is no JSON: {error}") from None
    return found


def transformed_members(vsa: VSA, name: Any, transformer: Any, given: list[Any], present: Any) -> Members:
    """Return a member for each value, by a transformer of values to hypervectors of the model.

    Raises
    ------
    ParameterError
        If it returns another number of them.
    HDCError
        If they do not belong to the model.
    """
    found = np.asarray(transformer.transform(given)) if len(given) else vsa.to_numpy(vsa.symbols([]))
    if found.ndim != 2 or len(found) != len(given):
        raise ParameterError(
            f"the transformer of column {shown(name)} returned shape {found.shape} for {len(given)} values; "
            f"({len(given)}, {vsa.storage}) is expected"
        )
    vectors = vsa.check(vsa.kernels.arrays.from_numpy(found), f"the vectors of column {shown(name)}")
    return column_member(vsa, name, vectors, np.asarray(present, dtype=bool))
