"""Every row of docs/reference/features.md names a test that is there, and every model and class that is public."""

import ast
import re

import pytest

import hdc
from hdc.apps import learn
from tests.test_docs import ROOT

PAGE = (ROOT / "docs" / "reference" / "features.md").read_text(encoding="utf-8")
NAMED = re.findall(r"\| `((?:engines/)?test_\w+)::(\w+|\*)` \|", PAGE)
NOT_FEATURES = {"VSA", "Role", "HDCError", "CapacityWarning"}


def test_every_test_that_is_named_is_there():
    assert len(NAMED) > 50
    for module, name in NAMED:
        tree = ast.parse((ROOT / "tests" / f"{module}.py").read_text(encoding="utf-8"))
        found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        assert name in found if name != "*" else any(one.lower().startswith("test") for one in found), (module, name)


def test_every_row_has_a_test():
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| **", "| feature"))]
    assert len(rows) == len(NAMED)


def test_every_name_of_learning_is_named_and_there():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    assert [getattr(learn, name).__name__ for name in learn.__all__] == sorted(learn.__all__)
    assert {"Features", "HDClassifier", "HDCluster", "HDMultiLabel", "HDRegressor"} <= set(learn.__all__)
    assert not [name for name in learn.__all__ if f"`{name}" not in PAGE and f"`hdc.apps.learn.{name}" not in PAGE]


def test_every_model_and_every_class_is_named():
    classes = {name for name in hdc.__all__ if name[0].isupper()} - NOT_FEATURES
    shown = {hdc.registry.model_class(name).__name__: name for name in hdc.list_models()}
    missing = {name for name in classes if f"`{shown.get(name, name)}" not in PAGE}
    assert not missing
