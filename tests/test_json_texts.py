"""Texts walked in compiled code have the leaves, spots and items that their values have."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hdc
from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.json.document import batches as batches_module
from hdc.apps.json.document import texts as texts_module
from hdc.apps.json.document.batches import batches
from hdc.apps.json.document.leaves import LeafTable, Walk
from hdc.apps.json.document.rules import Layout
from hdc.apps.json.reading import Record, read
from hdc.apps.json.reading.records import Untouched

KERNELS = hdc.create("MBAT", 64, backend="numba").kernels.texts
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ['"', "\\", '\\"', "},{", "\x00", "[1]"]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0, 1, 1.0, -0.0, 1e300, 1e-9, -5])
    | TEXT
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
NAMES = ("leaves", "spots", "stops", "documents", "parents", "places")


def walked(documents, table, texts):
    """Return what batches note, and the leaves of their tables."""
    records = [Untouched(document, "", orjson.dumps(document)) if texts else document for document in documents]
    return [
        [
            [getattr(batch.found, name).tolist() for name in NAMES],
            [
                (node.path(), type(value), value)
                for node, value in zip(batch.table.nodes, batch.table.values, strict=True)
            ],
            [batch.starts.tolist(), batch.leaves.tolist()],
        ]
        for batch in batches(records, table)
    ]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(VALUES, max_size=8),
    st.sampled_from(["auto", "bag", "sequence"]),
    st.sampled_from([1, 30, 1 << 18]),
    st.sampled_from([12, 1 << 20]),
)
def test_texts_are_walked_as_values_are(documents, mode, size, longest):
    layout = Layout.of(mode, {"a": 0.0})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts_module, "ROOM", 2)
        patch.setattr(batches_module, "TEXT_BYTES", size)
        patch.setattr(batches_module, "LONGEST_TEXT", longest)
        assert walked(documents, LeafTable(layout, KERNELS), True) == walked(documents, LeafTable(layout), True)


def test_values_and_texts_take_turns():
    documents = [{"a": [i % 3, {"b": str(i)}], "c": [[i]]} for i in range(40)]
    records = [Untouched(one, "", orjson.dumps(one)) if i % 3 else Record(one, "") for i, one in enumerate(documents)]
    (mixed,), (plain,) = (list(batches(given, LeafTable(Layout.of(), KERNELS))) for given in (records, documents))
    for name in NAMES:
        assert getattr(mixed.found, name) == getattr(plain.found, name)


def test_rules_for_some_paths_leave_texts_to_python():
    for arrays in ({"a": "soft"}, "soft", "both"):
        assert LeafTable(Layout.of(arrays), KERNELS).kernels is None
    table = LeafTable(Layout.of({"": "bag"}), KERNELS)
    assert table.kernels is KERNELS
    assert table.again().kernels is KERNELS


def test_deep_texts():
    found = Walk()
    table = LeafTable(Layout.of(), KERNELS)
    table.walk_texts([b"[" * 256 + b"]" * 256, b'{"a":' * 256 + b"1" + b"}" * 256], found)
    assert [len(table.nodes[leaf].path()) for leaf in found.leaves] == [255, 256]


def test_documents_that_were_read_may_be_changed(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"a":1}\n{"a":2}\n')
    records = list(read([path]))
    for record in records:
        record.document["b"] = record.document.pop("a") * 10
    index = JSONIndex(JSONEncoder(64).fit([{"b": 10}, {"b": 20}])).add(records)
    assert [hit.document for hit in index.search({"b": 20}, 1)] == [{"b": 20}]
    assert JSONEncoder(64).fit(records).profile_.numbers == {("b",): {10: 1, 20: 1}}
