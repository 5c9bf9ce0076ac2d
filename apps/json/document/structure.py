"""The structure of a JSON value: an object, an array or a leaf, and how the items of an array are bound.

Documents are taken apart into leaves, and queries compared with documents, by these rules.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from hdc.apps.json.document.constant import Constant
from hdc.apps.json.document.paths import Path, show_path
from hdc.apps.json.document.rules import Mode, resolved, steps
from hdc.errors import ParameterError

ARRAY = (list, tuple)
"""Types of arrays. It is a tuple because ``isinstance`` is several times slower with a union."""

CONTAINER = (dict, *ARRAY)
"""Types of containers; an empty one is a leaf."""


ANYWHERE = (None, 1.0)
"""The step of every item of a bag."""


def bound(items: Sequence[Any], mode: Mode) -> list[tuple[tuple[int | None, float], Any]] | None:
    """Return the items of an array, each with what binds it: a step and its weight; see :data:`MODES`.

    An item that is bound by several steps comes once for each. None says that :data:`ANYWHERE` binds them all.
    """
    mode = resolved(mode, items)
    if mode == "bag":
        return None
    return [(step, item) for place, item in enumerate(items) for step in steps(place, mode)]


def leaf_value(value: Any, path: Path | None = None) -> Any:
    """Return the leaf value of a scalar or an empty container.

    Raises
    ------
    ParameterError
        If ``value`` is of no JSON type, or not finite; the text begins with the path.
    """
    if isinstance(value, bool):
        return Constant.TRUE if value else Constant.FALSE
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float) and value - value == 0:
        return value
    if isinstance(value, UUID):  # orjson accepts them
        return str(value)
    if isinstance(value, dict):
        return Constant.EMPTY_OBJECT
    if isinstance(value, ARRAY):
        return Constant.EMPTY_ARRAY
    place = "document" if path is None else show_path(path)
    what = repr(value) if isinstance(value, float) else f"a {type(value).__name__}"
    raise ParameterError(f"{place}: {what} is no JSON value; use str, int, float, bool, None, dict or list")
