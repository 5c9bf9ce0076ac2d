"""JSON documents as vectors: soft search, with the reason for each match.

``JSONEncoder`` turns documents into vectors; ``JSONIndex`` stores, searches and explains them; ``read`` reads
files. On the command line: ``hdc json``.
"""

from typing import TYPE_CHECKING

from hdc.apps import lazy

if TYPE_CHECKING:
    from hdc.apps.json.encoder.encoder import JSONEncoder
    from hdc.apps.json.index.compiled_query import ABSENT
    from hdc.apps.json.index.hits import Hit, Hits
    from hdc.apps.json.index.index import JSONIndex
    from hdc.apps.json.index.matcher import Reason
    from hdc.apps.json.index.reshaping import merge, split
    from hdc.apps.json.index.shards import ShardedJSONIndex
    from hdc.apps.json.reading import DocumentError, Record, read

__all__ = [
    "ABSENT",
    "DocumentError",
    "Hit",
    "Hits",
    "JSONEncoder",
    "JSONIndex",
    "Reason",
    "Record",
    "ShardedJSONIndex",
    "merge",
    "read",
    "split",
]

__getattr__ = lazy.attributes(
    __name__,
    {
        "JSONEncoder": "hdc.apps.json.encoder.encoder",
        "ABSENT": "hdc.apps.json.index.compiled_query",
        "Hit": "hdc.apps.json.index.hits",
        "Hits": "hdc.apps.json.index.hits",
        "JSONIndex": "hdc.apps.json.index.index",
        "Reason": "hdc.apps.json.index.matcher",
        "ShardedJSONIndex": "hdc.apps.json.index.shards",
        "merge": "hdc.apps.json.index.reshaping",
        "split": "hdc.apps.json.index.reshaping",
        "DocumentError": "hdc.apps.json.reading",
        "Record": "hdc.apps.json.reading",
        "read": "hdc.apps.json.reading",
    },
)
