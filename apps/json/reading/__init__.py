"""Read documents strictly and as a stream: JSON, JSON Lines, one large array, Parquet. Errors name their place.

``read`` reads files and folders; ``plan`` and ``read_part`` read them in parts, for parallel work and to resume;
``parse`` and ``parse_bytes`` read one text; ``write_parquet`` writes vectors.
"""

from hdc.apps.json.reading.detecting import FORMATS, Format
from hdc.apps.json.reading.limits import LIMITS, Limits
from hdc.apps.json.reading.opening import STDIN
from hdc.apps.json.reading.parquet import write_parquet
from hdc.apps.json.reading.parts import PART_BYTES, Part, plan
from hdc.apps.json.reading.reader import Reading, read, read_part
from hdc.apps.json.reading.records import Counts, OnError, Record
from hdc.apps.json.reading.strict import MAX_DEPTH, DocumentError, parse, parse_bytes

__all__ = [
    "FORMATS",
    "LIMITS",
    "MAX_DEPTH",
    "PART_BYTES",
    "STDIN",
    "Counts",
    "DocumentError",
    "Format",
    "Limits",
    "OnError",
    "Part",
    "Reading",
    "Record",
    "parse",
    "parse_bytes",
    "plan",
    "read",
    "read_part",
    "write_parquet",
]
