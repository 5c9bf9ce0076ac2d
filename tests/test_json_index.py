import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hdc
from hdc.apps.json import ABSENT, JSONEncoder, JSONIndex, Record
from hdc.apps.json import index as index_module
from hdc.apps.json.layout import MODES, Layout
from hdc.apps.json.matching import Matcher
from hdc.apps.json.profile import Profile
from hdc.apps.json.values import Values
from hdc.errors import FileFormatError, ParameterError

PATIENTS = [
    {"sex": "F", "age": 30, "findings": [{"label": "Seizure", "excluded": True}, {"label": "Scoliosis"}]},
    {"sex": "M", "age": 31, "findings": [{"label": "Seizure"}, {"label": "Scoliosis", "excluded": True}]},
    {"sex": "F", "age": 70, "findings": [{"label": "Focal seizure"}], "at": [10.0, 20.0]},
    {"sex": "M", "age": 2, "findings": [], "note": None, "at": [20.0, 10.0]},
]


@pytest.fixture(scope="module")
def index():
    return JSONIndex(JSONEncoder(2048).fit(PATIENTS)).add(PATIENTS)


def ids(hits):
    return [hit.id for hit in hits]


def test_everything_asked_for_scores_one_whatever_else_is_there(index):
    for query, best in (
        ({"sex": "F", "age": 70}, 2),
        ({"note": None}, 3),
        ({"findings": []}, 3),
        ({"at": [20.0]}, 3),
        ({"findings": [{"excluded": True, "label": "Scoliosis"}]}, 1),
        (PATIENTS[0], 0),
    ):
        hit = index.search(query, 1)[0]
        assert (hit.id, hit.score) == (best, pytest.approx(1))
        assert hit.document == PATIENTS[best]


def test_an_item_is_looked_for_as_a_whole(index):
    assert ids(index.search({"findings": [{"label": "Seizure", "excluded": True}]}))[0] == 0
    both = {hit.id: hit.score for hit in index.search({"findings": [{"label": "Scoliosis", "excluded": True}]})}
    assert both[1] > both[0] > both[3] == 0


def test_size_does_not_count():
    small = {"name": "Ada"}
    large = {"name": "Ada", **{f"field {i}": i for i in range(300)}}
    index = JSONIndex(JSONEncoder(2048)).add([large, small, {"name": "Bob"}])
    assert [hit.score for hit in index.search({"name": "Ada"}, 2)] == [1.0, 1.0]


def test_near_strings_and_numbers_rank_between_equal_and_unrelated(index):
    scores = {hit.id: hit.score for hit in index.search({"findings": [{"label": "seizure"}]})}
    assert scores[0] == scores[1] == scores[2] == pytest.approx(0.9)
    assert scores[3] == 0
    scores = {hit.id: hit.score for hit in index.search({"age": 30})}
    assert scores[0] > scores[1] > scores[2]


@pytest.mark.parametrize("arrays", MODES)
def test_order_of_items(arrays):
    index = JSONIndex(JSONEncoder(1024, arrays=arrays)).add([{"l": ["x", "y"]}, {"l": ["y", "x"]}])
    hits = index.search({"l": ["y", "x"]})
    expected = {"auto": 1, "bag": 1, "sequence": 0, "soft": 2 / 3, "both": 0.5}[arrays]
    assert {hit.id: hit.score for hit in hits} == {1: pytest.approx(1), 0: pytest.approx(expected)}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.text("ab ", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(MODES), VALUES, VALUES)
def test_scores_are_parts_of_one_and_shares_sum_to_them(arrays, query, document):
    matcher = Matcher(query, Values(Profile()), Layout.of(arrays))
    assert matcher.score(query) == pytest.approx(1)
    assert -1e-9 <= matcher.score(document) <= 1 + 1e-9
    assert sum(reason.share for _, reason in matcher.reasons(document)) == pytest.approx(matcher.score(document))


def test_reasons_of_a_search(index):
    query = {"sex": "F", "findings": [{"label": "Seizure"}], "weight": 3}
    hit = next(hit for hit in index.search(query) if hit.id == 2)
    reasons = {reason.path: reason for reason in index.explain(query, hit)}
    assert sum(reason.share for reason in reasons.values()) == pytest.approx(hit.score, abs=1e-5)
    assert (reasons["sex"].query, reasons["sex"].match) == ("F", "F")
    assert reasons["findings[].label"][1:3] == ("Seizure", "Focal seizure")
    assert reasons["weight"].match is ABSENT
    assert reasons["weight"].share == 0


@pytest.mark.parametrize("arrays", MODES)
def test_like_is_the_cosine_and_its_shares_sum_to_it(arrays):
    encoder = JSONEncoder(1024, arrays=arrays).fit(PATIENTS)
    index, vectors = JSONIndex(encoder).add(PATIENTS), encoder.transform(PATIENTS)
    hits = index.like(0, 10)
    assert sorted(ids(hits)) == [1, 2, 3]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    for hit in hits:
        cosine = vectors[0] @ vectors[hit.id] / np.linalg.norm(vectors[0]) / np.linalg.norm(vectors[hit.id])
        assert hit.score == pytest.approx(float(cosine), abs=1e-6)
        reasons = index.explain(PATIENTS[0], hit)
        assert sum(reason.share for reason in reasons) == pytest.approx(hit.score, abs=1e-5)
        assert [reason.share for reason in reasons] == sorted((reason.share for reason in reasons), reverse=True)
    met = {(reason.query, reason.match) for reason in index.explain(PATIENTS[0], next(h for h in hits if h.id == 1))}
    assert {("F", "M"), (30, 31)} < met


def test_candidates_by_vector_hold_the_best(monkeypatch):
    documents = [{"n": i, "word": f"w{i % 50}", "rest": {f"k{j}": f"v{i}{j}" for j in range(8)}} for i in range(400)]
    index = JSONIndex(JSONEncoder(2048).fit(documents)).add(documents)
    query = {"n": 203, "word": "w3"}
    few = index.search(query, 3)
    monkeypatch.setattr(index_module, "CANDIDATES", 1000)
    assert few == index.search(query, 3)
    assert few[0].id == 203


def test_ties_go_to_the_nearer_vector_then_the_lower_id():
    index = JSONIndex(JSONEncoder(256)).add([{"a": 1, "b": 2}, {"a": 1}, {"a": 1}])
    assert sorted(ids(index.search({"a": 1}))) == [0, 1, 2]
    assert ids(index.like(0, 2)) == [1, 2]


def test_adding_in_parts_and_records():
    encoder = JSONEncoder(256).fit(PATIENTS)
    parts = JSONIndex(encoder).add(PATIENTS[:1]).add(Record(p, f"f:{i}") for i, p in enumerate(PATIENTS[1:]))
    whole = JSONIndex(encoder).add(PATIENTS)
    assert len(parts) == 4
    assert [(hit.id, hit.score) for hit in parts.search({"sex": "F"})] == [
        (hit.id, hit.score) for hit in whole.search({"sex": "F"})
    ]
    assert {hit.id: hit.source for hit in parts.search({"sex": "F"})} == {0: "", 1: "f:0", 2: "f:1", 3: "f:2"}


@pytest.mark.parametrize("bad", [{"a": float("nan")}, {"a": {1, 2}}, {"a": 10**5000}])
def test_a_bad_document_adds_nothing(bad):
    index = JSONIndex(JSONEncoder(64)).add([{"a": 1}])
    with pytest.raises(ParameterError):
        index.add([{"a": 2}, bad])
    assert len(index) == 1
    assert ids(index.search({"a": 2})) == [0]


def test_an_index_keeps_its_own_encoder():
    encoder = JSONEncoder(64)
    index = JSONIndex(encoder).add([{"a": 1}])
    encoder.set_params(dim=32).fit([{"a": 2}])
    assert ids(index.search({"a": 1})) == [0]


def test_wrong_questions(index):
    for query in ({}, []):
        with pytest.raises(ParameterError, match="the query is empty"):
            index.search(query)
    with pytest.raises(ParameterError, match="k must be at least 1"):
        index.search({"sex": "F"}, 0)
    with pytest.raises(ParameterError, match="there is no document 4; the index holds 0 to 3"):
        index.like(4)
    with pytest.raises(ParameterError, match="there is no document -1"):
        index.document(-1)
    assert JSONIndex(JSONEncoder(64)).search({"a": 1}) == []
    with pytest.raises(ParameterError, match="the index is empty"):
        JSONIndex(JSONEncoder(64)).like(0)


@pytest.fixture
def saved(tmp_path):
    documents = [Record(patient, f"ä.json:{i}") for i, patient in enumerate(PATIENTS)]
    path = tmp_path / "index.hdc"
    JSONIndex(JSONEncoder(64).fit(PATIENTS)).add(documents).save(path)
    return path


def test_a_saved_index_is_the_same(saved):
    again = JSONIndex.load(saved)
    assert [again.document(i) for i in range(4)] == PATIENTS
    fresh = JSONIndex(JSONEncoder(64).fit(PATIENTS)).add(PATIENTS)
    for mine, other in zip(again.search({"sex": "F"}), fresh.search({"sex": "F"}), strict=True):
        assert (mine.score, mine.id) == (other.score, other.id)
    assert again.like(0)[0].source == "ä.json:1"
    again.add([{"sex": "F"}]).save(saved)
    assert len(JSONIndex.load(saved)) == 5
    empty = saved.with_name("empty.hdc")
    JSONIndex(JSONEncoder(64)).save(empty)
    assert len(JSONIndex.load(empty)) == 0


def test_a_damaged_index_is_told(saved):
    whole = saved.read_bytes()
    for length in (*range(0, len(whole), 97), len(whole) - 1):
        saved.write_bytes(whole[:length])
        with pytest.raises(FileFormatError):
            JSONIndex.load(saved)
    for position in range(0, len(whole), 61):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        saved.write_bytes(flipped)
        with pytest.raises(FileFormatError):
            JSONIndex.load(saved)
    saved.write_bytes(whole + b"\0")
    with pytest.raises(FileFormatError):
        JSONIndex.load(saved)


def test_another_kind_of_file_is_told(saved, tmp_path):
    other = tmp_path / "other.hdc"
    hdc.files.save(other, "item-memory", {}, {})
    with pytest.raises(FileFormatError, match="holds a 'item-memory'"):
        JSONIndex.load(other)
    other.write_text(json.dumps(PATIENTS))
    with pytest.raises(FileFormatError):
        JSONIndex.load(other)


def test_a_failed_save_leaves_the_old_index(saved, monkeypatch):
    before = saved.read_bytes()
    index = JSONIndex.load(saved).add([{"sex": "X"}])

    def disk_full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", disk_full)
    with pytest.raises(OSError, match="No space left"):
        index.save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]
