"""Tests try the same examples in every run, so that a failure tells of a change.

``pytest --hypothesis-profile default`` looks for new ones.
"""

from hypothesis import settings

settings.register_profile("same", derandomize=True, database=None)
settings.load_profile("same")
