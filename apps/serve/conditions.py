"""Read the conditions on documents in requests."""

from hdc.apps.json.document.paths import parse_path
from hdc.apps.json.index.where import Condition, Conditions, parse_where
from hdc.apps.serve import models
from hdc.errors import ParameterError

Given = str | models.Condition | list[str | models.Condition] | None


def conditions_of(where: Given) -> Conditions | None:
    """Return the conditions of a request; None if there are none.

    Raises
    ------
    ParameterError
        If a condition is invalid.
    """
    if where is None:
        return None
    given = where if isinstance(where, list) else [where]
    return Conditions(tuple(map(_condition, given))) if given else None


def _condition(given: str | models.Condition) -> Condition:
    if isinstance(given, str):
        return parse_where(given)
    if given.value is None and "value" not in given.model_fields_set and given.op not in ("exists", "missing"):
        raise ParameterError(f"condition on {given.path}: {given.op} needs a value")
    return Condition(parse_path(given.path), given.op, given.value)
