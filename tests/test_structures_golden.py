"""Golden values of structures: what a tree, a graph or a stack becomes may never change within a major version.

``python -m tests.test_structures_golden`` writes the file anew, which breaks every stored vector.
"""

import json
from pathlib import Path

import pytest

import hdc
from hdc.structures.base import subtracts
from tests.models import NUMPY_BACKENDS, make
from tests.test_core_golden import mark

GOLDEN = Path(__file__).parent / "golden" / "structures.json"
FAMILIES = ("MAP-I", "MAP-B", "Bloom-shift", "CountingBloom-segment", "MBAT-permutation", "HRR", "FHRR", "MCR", "CGR")
"""One family of each arithmetic: structures are written once, and the values of models are in core.json."""


def made(vsa):
    """Return the marks of all that structures make."""
    columns = {"kind": ["a", None, "b"], ("n", 1): [1, 1.0, "1"]}
    found = {
        "records": hdc.Record(vsa).encode(columns),
        "tree": hdc.Tree(vsa).encode({"l": ["a", "b"], "r": {1: "c"}}),
        "automaton": hdc.Automaton(vsa).encode({("s", 0): "t", ("t", 0): "s"}),
    }
    if subtracts(vsa):
        found["stack"] = hdc.Stack(vsa).encode("abc")
    if vsa.binds_vectors:
        graph = hdc.Graph(vsa, directed=True)
        found["graph"] = graph.encode([("a", "b"), ("b", "c")])
        found["labeled"] = graph.encode([("a", "x", "b"), ("b", "y", "c")])
        found["memories"] = graph.memories([("a", "b"), ("a", "c"), ("b", "c")]).vectors
        found["stream"] = hdc.NGrams(vsa, (1, 2)).encode_stream("abcab")
    if vsa.commutative:
        found["undirected"] = hdc.Graph(vsa).encode([("a", "b"), ("b", "c")])
    return {name: mark(x) for name, x in found.items()}


def test_every_family_is_in_the_file():
    assert set(json.loads(GOLDEN.read_text())) == set(FAMILIES)


@pytest.mark.parametrize("backend", NUMPY_BACKENDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_structures_are_as_ever(family, backend):
    golden, found = json.loads(GOLDEN.read_text())[family], made(make(family, 36, backend))
    assert set(found) == set(golden)
    for name, value in golden.items():
        assert found[name] == (value if isinstance(value, str) else pytest.approx(value, abs=2e-5)), name


if __name__ == "__main__":
    golden = {family: made(make(family, 36)) for family in FAMILIES}
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")
