"""Families and backends that structures are tried on: all of them, most in the slow tests.

Structures are written once over the interface of models, so NumPy and one family of each layout on the other backends
see quickly what goes wrong.
"""

import pytest

from tests.models import BACKENDS, FAMILIES

LAYOUTS = ("MAP-I", "MAP-B", "CountingBloom-segment", "MBAT-permutation", "FHRR")
"""One family of each dtype: these are tried quickly on every backend."""


def cases(chosen=tuple(FAMILIES)):
    """Return a parameter ``("family", "backend")`` for each; dense operators, costly to draw, are slow everywhere."""
    found = []
    for family in chosen:
        for backend in BACKENDS:
            given = backend if hasattr(backend, "values") else pytest.param(backend)
            name = given.values[0]
            quick = family in LAYOUTS or (name == "numpy" and "haar" not in family)
            marks = [*given.marks, *([] if quick else [pytest.mark.slow])]
            found.append(pytest.param(family, name, marks=marks, id=f"{family}-{name}"))
    return pytest.mark.parametrize(("family", "backend"), found)
