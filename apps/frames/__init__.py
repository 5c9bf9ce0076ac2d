"""Read the rows of any library's data frames as documents, and exchange vectors as Arrow columns."""

from typing import TYPE_CHECKING

from hdc.apps import lazy

if TYPE_CHECKING:
    from hdc.apps.frames.rows import in_memory, is_frame, rows_of
    from hdc.apps.frames.values import json_value
    from hdc.apps.frames.vectors import from_arrow, to_arrow

__all__ = ["from_arrow", "in_memory", "is_frame", "json_value", "rows_of", "to_arrow"]

__getattr__ = lazy.attributes(
    __name__,
    {
        "from_arrow": "hdc.apps.frames.vectors",
        "in_memory": "hdc.apps.frames.rows",
        "is_frame": "hdc.apps.frames.rows",
        "json_value": "hdc.apps.frames.values",
        "rows_of": "hdc.apps.frames.rows",
        "to_arrow": "hdc.apps.frames.vectors",
    },
)
