"""The conformance suites, shipped so that third parties run them on their own models and backends.

``check_model`` checks a model against the laws of the algebra, ``check_backend`` every kernel of a backend against the
NumPy reference, ``check_index`` an index against a dict and a comparison with every row.

>>> import hdc.testing
>>> report = hdc.testing.check_model(hdc.create("MAP-I", 256))
>>> report[0].law, report[0].outcome
('spec', 'held')
>>> len(hdc.testing.check_backend("numba")) > 20
True
"""

from hdc.testing.backends import KernelError, check_backend
from hdc.testing.index_cases import ROWS, IndexCase
from hdc.testing.indexes import check_index, check_index_law, index_laws
from hdc.testing.laws import ALARM, TOLERANCE, LawError, Outcome, assert_same, check_law, check_model, laws

__all__ = [
    "ALARM",
    "ROWS",
    "TOLERANCE",
    "IndexCase",
    "KernelError",
    "LawError",
    "Outcome",
    "assert_same",
    "check_backend",
    "check_index",
    "check_index_law",
    "check_law",
    "check_model",
    "index_laws",
    "laws",
]
