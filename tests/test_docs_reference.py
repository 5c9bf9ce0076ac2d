"""The reference lists every public name, error and record of kernels, so that a new one cannot be forgotten."""

import dataclasses
import importlib
import re
from types import ModuleType

import pytest

import hdc
from hdc import errors, kernels
from tests.models import NO_TORCH
from tests.test_docs import ROOT

REFERENCE = ROOT / "docs" / "reference"

ELSEWHERE = {"HDCError", "__version__"}
"""Names on other pages of the reference."""

CONSTANTS = {"KINDS", "MODELS", "TASKS", "KERNELS", "ALARM", "TOLERANCE", "ROWS", "ABSENT"}


def listed():
    """Return the full names in the tables of the API pages."""
    names = set()
    for page in (REFERENCE / "api").glob("*.rst"):
        module = ""
        for line in page.read_text(encoding="utf-8").splitlines():
            if found := re.match(r"\.\. currentmodule:: (\S+)", line):
                module = found[1]
            elif (found := re.match(r"   ([A-Za-z][\w.]*)$", line)) and module:
                names.add(f"{module}.{found[1]}")
    return names


@pytest.mark.parametrize(
    "package",
    [
        *("hdc", "hdc.bounds", "hdc.structures", "hdc.values", "hdc.testing", "hdc.store"),
        *("hdc.apps.capacity", "hdc.apps.frames", "hdc.apps.json", "hdc.apps.retrieval", "hdc.apps.stores"),
        *("hdc.apps.learn", "hdc.apps.serve"),
    ],
)
def test_every_public_name_has_a_page(package):
    names = set(importlib.import_module(package).__all__) - CONSTANTS - ELSEWHERE
    if package == "hdc":
        names = {name for name in names if not isinstance(getattr(hdc, name), ModuleType)}
    by_last = {name.rpartition(".")[2] for name in listed()}
    assert names <= by_last if package == "hdc" else {f"{package}.{name}" for name in names} <= listed()


def test_every_listed_name_is_there():
    for name in sorted(listed()):
        module, _, last = name.rpartition(".")
        try:
            there = hasattr(importlib.import_module(module), last)
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith("hdc"):  # a library of an extra that is not installed
                continue
            raise
        assert there, name


def test_every_error_is_explained():
    page = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    of_package = {name for name, value in vars(errors).items() if isinstance(value, type)}
    rows = set(re.findall(r"^\| `(\w+)` \|", page, re.M))
    assert rows == of_package - {"HDCError"}
    for name in rows:
        bases = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |")).split("|")[2]
        assert set(re.findall(r"`(\w+)`", bases)) == {
            base.__name__ for base in getattr(errors, name).__bases__ if base is not hdc.HDCError
        }


@pytest.mark.parametrize("backend", ["numpy", "numba", "torch"])
def test_the_table_of_kernels_says_which_records_a_backend_has(backend):
    if backend == "torch" and NO_TORCH:
        pytest.skip(NO_TORCH)
    page = (REFERENCE / "conformance.md").read_text(encoding="utf-8")
    table = [[cell.strip(" `") for cell in row.split("|")[1:-1]] for row in re.findall(r"^\|.*$", page, re.M)]
    header = table[0]
    records = [field.name for field in dataclasses.fields(kernels.Backend) if "Kernels" in str(field.type)]
    rows = table[2 : 2 + len(records)]
    assert [row[0] for row in rows] == records
    present = hdc.create("MAP-B", 64, backend=backend).kernels
    said = [row[header.index(backend)] for row in rows]
    assert said == ["no" if getattr(present, record) is None else "yes" for record in records]


def test_every_record_of_kernels_has_a_page():
    assert {f"hdc.kernels.{name}" for name in vars(kernels) if name.endswith("Kernels")} <= listed()
