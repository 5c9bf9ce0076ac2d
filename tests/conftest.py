"""Tests try the same examples in every run, whatever time each takes, so that a failure tells of a change.

``pytest --hypothesis-profile default`` looks for new ones.
"""

import pytest
from hypothesis import settings

from tests.models import GENERIC, VARIANTS

settings.register_profile("same", derandomize=True, database=None, deadline=None)
settings.load_profile("same")


def pytest_collection_modifyitems(items):
    """Leave families that run the code of another one, or the same code on every backend, to the slow tests."""
    for item in items:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        family, backend = parameters.get("family"), str(parameters.get("backend", "numpy"))
        if family in VARIANTS or (family in GENERIC and backend != "numpy"):
            item.add_marker(pytest.mark.slow)
