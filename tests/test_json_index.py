import json
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.apps.json import ABSENT, JSONEncoder, JSONIndex, Record
from hdc.apps.json.document.rules import MODES, Layout
from hdc.apps.json.index import matcher as matcher_module
from hdc.apps.json.index import nearest as nearest_module
from hdc.apps.json.index.hits import read_together
from hdc.apps.json.index.matcher import Matcher
from hdc.apps.json.index.nearest import Nearest
from hdc.apps.json.index.rows import columns
from hdc.apps.json.index.where import as_filter
from hdc.apps.json.values.statistics import Profile
from hdc.apps.json.values.values import Values
from hdc.errors import DimensionError, FileFormatError, ParameterError
from hdc.search.build import Build
from hdc.store import Store
from tests.comparing import Comparison

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
    assert both[1] > both[0] > 0
    assert 3 not in both


def test_size_does_not_count():
    small = {"name": "Ada"}
    large = {"name": "Ada", **{f"field {i}": i for i in range(300)}}
    index = JSONIndex(JSONEncoder(2048)).add([large, small, {"name": "Bob"}])
    assert [hit.score for hit in index.search({"name": "Ada"}, 2)] == [1.0, 1.0]


def test_near_strings_and_numbers_rank_between_equal_and_unrelated(index):
    scores = {hit.id: hit.score for hit in index.search({"findings": [{"label": "seizure"}]})}
    assert scores == {0: pytest.approx(0.95), 1: pytest.approx(0.95), 2: pytest.approx(0.9)}
    scores = {hit.id: hit.score for hit in index.search({"age": 30})}
    assert scores[0] > scores[1] > scores.get(2, 0)


@pytest.mark.parametrize("arrays", MODES)
def test_order_of_items(arrays):
    index = JSONIndex(JSONEncoder(1024, arrays=arrays)).add([{"l": ["x", "y"]}, {"l": ["y", "x"]}])
    hits = index.search({"l": ["y", "x"]})
    expected = {"auto": 1, "bag": 1, "sequence": 0, "soft": 2 / 3, "both": 0.5}[arrays]
    scores = {hit.id: hit.score for hit in hits}
    assert scores.pop(1) == 1
    assert scores == ({0: pytest.approx(expected)} if expected else {})


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


def test_hits_explained_together_are_explained_as_one_by_one(index, monkeypatch):
    taken = []
    compiled = matcher_module.compiled
    monkeypatch.setattr(matcher_module, "compiled", lambda query, *rest: taken.append(query) or compiled(query, *rest))
    for query in (PATIENTS[0], {"sex": "F", "weight": 3}, {"*": "seizure"}, {"*": "seizure", "age": 31}):
        hits = index.search(query, weights={"age": 2})
        singly = [index.explain(query, hit, weights={"age": 2}) for hit in hits]
        taken.clear()
        assert index.explain(query, hits, weights={"age": 2}) == singly
        assert len(taken) == ("sex" in query or "age" in query)
    mixed = [*index.like(0), *index.search(PATIENTS[0], missing="count"), *index.search(PATIENTS[0])]
    assert index.explain(PATIENTS[0], iter(mixed)) == [index.explain(PATIENTS[0], hit) for hit in mixed]
    assert index.explain(PATIENTS[0], []) == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (3, "hit must be a Hit or an iterable of hits, not 3"),
        ([3], "each hit must be a Hit, not 3"),
        ("h", "each hit must be a Hit, not 'h'"),
    ],
)
def test_only_hits_are_explained(index, given, told):
    with pytest.raises(ParameterError, match=f"^{told}$"):
        index.explain({"sex": "F"}, given)


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


def test_ties_go_to_the_lower_id():
    index = JSONIndex(JSONEncoder(256)).add([{"a": 1, "b": 2}, {"a": 1}, {"a": 1}])
    assert ids(index.search({"a": 1})) == [0, 1, 2]
    assert ids(index.search({"a": 1}, 2)) == [0, 1]
    assert ids(index.like(0, 2)) == [1, 2]


@pytest.fixture(scope="module")
def crowd():
    return [
        {"n": i, "word": f"w{i % 50}", "year": 1900 + i % 97, "rest": {f"k{j}": f"v{i}{j}" for j in range(4)}}
        for i in range(700)
    ]


@pytest.fixture(scope="module")
def crowded(crowd):
    """Return an index of the crowd, which no test changes."""
    return JSONIndex(JSONEncoder(2048).fit(crowd), vectors="float16").add(crowd)


@pytest.fixture(scope="module")
def thinned(crowd):
    """Return one of fewer dimensions, of which two documents were removed."""
    index = JSONIndex(JSONEncoder(512).fit(crowd), vectors="float16").add(crowd)
    index.remove([3, 699])
    return index


QUERIES = ({"n": 203, "word": "w3"}, {"year": 1950.5}, {"word": "w7", "rest": {"k1": "v571"}, "year": 1990})


def exhaustive(index, query, k, accept=lambda document: True, missing="ignore"):
    compared = Comparison(query, index.encoder, missing)
    every = [(compared.score(index.document(i)), i) for i in index.ids().tolist() if accept(index.document(i))]
    scored = [(score, number) for score, number in every if score > 1e-9]
    return sorted(scored, key=lambda entry: (-entry[0], entry[1]))[:k]


@pytest.mark.parametrize("missing", ["ignore", "count"])
@pytest.mark.parametrize("where", [None, "n >= 350", ["n < 40", "word != w3"]])
def test_search_agrees_with_comparing_everything(crowded, missing, where):
    accept = as_filter(where) or (lambda document: True)
    for query in QUERIES:
        expected = exhaustive(crowded, query, 5, accept, missing)
        hits = crowded.search(query, 5, where=where, missing=missing)
        assert [hit.score for hit in hits] == pytest.approx([score for score, _ in expected])
        assert all(accept(hit.document) for hit in hits)
        for hit in hits:
            assert sum(reason.share for reason in crowded.explain(query, hit)) == pytest.approx(hit.score)


def nearest(index, vector):
    snapshot = index.store.snapshot
    return Nearest(index._signs.prepared(snapshot, None), vector)


def test_sign_bits_estimate_cosines_without_bias(crowd):
    index = JSONIndex(JSONEncoder(2048).fit(crowd)).add(crowd)
    vectors = index.vectors(index.ids())
    lengths = np.linalg.norm(vectors, axis=1)
    true = vectors @ vectors[5] / lengths / lengths[5]
    cosines, found = nearest(index, vectors[5] / lengths[5]).best(700)
    errors = cosines - true[found]
    assert sorted(found) == list(range(700))
    assert (np.diff(cosines) <= 0).all()
    assert abs(errors.mean()) < 0.01
    assert errors.std() < 1 / np.sqrt(2048)
    assert np.argmax(true) == found[0] == 5


@pytest.mark.parametrize("first", [1, 30, 1000])
@pytest.mark.parametrize("k", [1, 7, 100, 698])
@pytest.mark.parametrize("among", [None, [5], list(range(2, 700, 3))])
def test_short_floats_put_the_best_in_order(monkeypatch, crowd, thinned, first, k, among):
    monkeypatch.setattr(nearest_module, "FIRST", first)
    vectors = thinned.vectors(thinned.ids())
    own = thinned.encoder.vectors([crowd[5]])[0]
    own /= np.linalg.norm(own)
    allowed = None if among is None else np.array([number for number in among if number not in (3, 699)])
    cosines, positions = nearest(thinned, own).best(k, allowed)
    there = thinned.ids().tolist() if allowed is None else allowed.tolist()
    assert len(set(positions.tolist())) == len(positions) == min(k, len(there))
    assert set(positions.tolist()) <= set(there)
    assert positions[0] == 5
    assert (np.diff(cosines) <= 0).all()
    rows = vectors[np.searchsorted(thinned.ids(), positions)]
    np.testing.assert_allclose(cosines, rows @ own / np.linalg.norm(rows, axis=1), atol=1e-3)


def test_a_filter_looks_at_all_documents_if_it_must(crowd):
    index = JSONIndex(JSONEncoder(512)).add(crowd)
    assert ids(index.search({"word": "w49"}, 3, where=lambda document: document["n"] == 699)) == [699]
    assert index.search({"word": "w1"}, 3, where=lambda document: document["n"] == 699) == []
    assert index.search({"word": "w1"}, 3, where="n > 699") == []
    assert ids(index.like(0, 3, where="n = 650")) == [650]
    assert len(index.search({"word": "w1"}, 3, where="word = w1")) == 3


@pytest.mark.parametrize("vectors", ["packed", "float16", None])
def test_like_finds_what_comparing_every_vector_finds(crowd, vectors):
    index = JSONIndex(JSONEncoder(2048).fit(crowd), vectors=vectors).add(crowd)
    unit = index.encoder.vectors(crowd)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    for own in (0, 3, 350):
        every = unit @ unit[own]
        every[own] = -2
        hits = index.like(own, 3)
        assert [hit.score for hit in hits] == pytest.approx(sorted(every.tolist())[:-4:-1], abs=1e-6)
        assert [hit.score for hit in hits] == pytest.approx([every[hit.id] for hit in hits], abs=1e-6)
        some = index.like(own, 3, where=lambda document: document["n"] % 2, among=range(100, 700))
        odd = [number for number in range(101, 700, 2) if number != own]
        assert [hit.score for hit in some] == pytest.approx([every[hit.id] for hit in some], abs=1e-6)
        assert {hit.id for hit in some} <= set(odd)
        if vectors is not None:  # else what they share proposes them, and these share next to nothing
            assert some[0].score == pytest.approx(every[odd].max(), abs=1e-6)


def test_among_some_documents(index):
    assert ids(index.search({"sex": "F"}, among=[0, 3])) == [0]
    assert ids(index.search({"sex": "F"}, among=[1, 2], where="age > 50")) == [2]
    assert index.search({"sex": "F"}, among=[]) == []
    assert sorted(ids(index.like(0, among=[0, 2, 3]))) == [2, 3]
    assert index.like(0, among=[0]) == []
    assert index.filter("sex = F").tolist() == [0, 2]
    for ask in (lambda: index.search({"sex": "F"}, among=[9]), lambda: index.like(0, among=[1, 9])):
        with pytest.raises(ParameterError, match="there is no document 9; the index has ids 0 to 3"):
            ask()


def test_update_replaces_documents_of_ids():
    index = JSONIndex(JSONEncoder(256)).add([{"a": 1}, {"a": 2}, {"a": 3}])
    index.update([2, 0], [{"a": 30}, Record({"a": 10}, "f:1")])
    assert index.documents([0, 1, 2]) == [{"a": 10}, {"a": 2}, {"a": 30}]
    assert (index.source(0), index.source(2), len(index)) == ("f:1", "", 3)
    assert ids(index.search({"a": 30}, 1)) == [2]
    index.update([], [])
    with pytest.raises(DimensionError, match="there are 1 documents for 2 ids"):
        index.update([0, 1], [{"a": 5}])
    with pytest.raises(ParameterError, match="there is no document 7"):
        index.update([0, 7], [{"a": 5}, {"a": 6}])
    with pytest.raises(ParameterError, match="given twice"):
        index.update([0, 0], [{"a": 5}, {"a": 6}])
    assert index.documents([0, 1, 2]) == [{"a": 10}, {"a": 2}, {"a": 30}]
    keyed = JSONIndex(JSONEncoder(256), key="name").add([{"name": "Ada"}, {"name": "Bob"}])
    keyed.update([1], [{"name": "Bob", "age": 3}])
    assert keyed.document(keyed.find("Bob")) == {"name": "Bob", "age": 3}
    with pytest.raises(ParameterError, match="document 0 has the key 'Ada', and the new one 'Cid'; put adds it"):
        keyed.update([0], [{"name": "Cid"}])


def test_threads_search_while_another_changes_the_index():
    index = JSONIndex(JSONEncoder(64), key="key").add({"key": i, "word": f"w{i % 5}"} for i in range(200))
    failures, done = [], threading.Event()

    def search(number):
        try:
            while not done.is_set():
                hits = index.search({"word": f"w{number}"}, 5, where=f"key >= {number}")
                assert len(hits) == 5
                assert all(hit.score == 1 and hit.document["word"] == f"w{number}" for hit in hits)
                assert all(hit.key == str(hit.document["key"]) for hit in hits)
                near = index.like(0, 3)
                assert len({hit.id for hit in near} - {0}) == 3
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=search, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(12):
        index.put({"key": i, "word": f"w{i % 5}", "turn": turn} for i in range(turn, 300, 7))
        index.remove(keys=[str(turn + 100)])
        if turn % 4 == 3:
            index.compact()
    done.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(index) > 190


def test_a_reader_goes_on_to_an_index_that_was_built_anew(tmp_path):
    def build(encoder, documents):
        with Build(tmp_path / "index", JSONIndex.KIND) as place:
            place.begin({"encoder": encoder.to_json()})
            with JSONIndex.create(place.index, encoder) as index:
                index.add(documents)
            place.finish()

    build(JSONEncoder(64), [{"a": 1}, {"a": 2}])
    with JSONIndex.open(tmp_path / "index") as reader:
        build(JSONEncoder(128).fit([{"a": 5}]), [{"a": 5}])
        assert (ids(reader.search({"a": 2}, 1)), reader.encoder.dim) == ([1], 64)
        assert reader.refresh()
        assert (ids(reader.search({"a": 5}, 1)), reader.encoder.dim, len(reader)) == ([0], 128, 1)
        assert not reader.refresh()


def test_missing_fields_count_if_asked():
    small, large = {"name": "Ada"}, {"name": "Ada", "born": 1815, "tags": ["maths"]}
    index = JSONIndex(JSONEncoder(2048)).add([large, small])
    assert [hit.score for hit in index.search({"name": "Ada"})] == [1, 1]
    first, second = index.search({"name": "Ada"}, missing="count")
    assert (first.id, first.score, first.measure) == (1, 1, "overlap")
    assert second.score == pytest.approx(1 / 3)
    assert [hit.score for hit in index.search(large, missing="count")] == pytest.approx([1, 1 / 3])
    with pytest.raises(ParameterError, match="missing must be one of ignore, count, not 'maybe'"):
        index.search({"name": "Ada"}, missing="maybe")


def test_adding_in_parts_and_records():
    encoder = JSONEncoder(256).fit(PATIENTS)
    parts = JSONIndex(encoder).add(PATIENTS[:1]).add(Record(p, f"f:{i}") for i, p in enumerate(PATIENTS[1:]))
    whole = JSONIndex(encoder).add(PATIENTS)
    assert len(parts) == 4
    assert [(hit.id, hit.score) for hit in parts.search({"sex": "F"})] == [
        (hit.id, hit.score) for hit in whole.search({"sex": "F"})
    ]
    assert {hit.id: hit.source for hit in parts.search({"sex": "F"})} == {0: "", 2: "f:1"}


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


def test_wrong_compareds(index):
    for query in ({}, []):
        with pytest.raises(ParameterError, match="the query is empty"):
            index.search(query)
    with pytest.raises(ParameterError, match="k must be an integer of at least 1"):
        index.search({"sex": "F"}, 0)
    with pytest.raises(ParameterError, match="there is no document 4; the index has ids 0 to 3"):
        index.like(4)
    with pytest.raises(ParameterError, match="there is no document -1"):
        index.document(-1)
    assert JSONIndex(JSONEncoder(64)).search({"a": 1}) == []
    with pytest.raises(ParameterError, match="the index is empty"):
        JSONIndex(JSONEncoder(64)).like(0)


def test_updates_and_removals_keep_ids():
    index = JSONIndex(JSONEncoder(256), key="name").add([{"name": "Ada", "age": 36}, {"name": "Bob", "age": 1}])
    index.put([{"name": "Bob", "age": 2}, {"name": "Cid", "age": 3}, {"name": "Cid", "age": 4}])
    assert [index.document(i)["age"] for i in index.ids()] == [36, 2, 4]
    assert (index.find("Bob"), index.find("Eve")) == (1, None)
    assert index.search({"age": 4}, 1)[0].key == "Cid"
    with pytest.raises(ParameterError, match="the key 'Ada' already exists"):
        index.add([{"name": "Ada"}])
    with pytest.raises(ParameterError, match="a key must be one text or integer, and name has nothing"):
        index.put([{"age": 1}])
    with pytest.raises(ParameterError, match="name has true"):
        index.put([{"name": True}])
    assert index.remove([0], ["Cid"]) == 2
    assert index.ids().tolist() == [1]
    assert ids(index.search({"age": 2})) == [1]
    with pytest.raises(ParameterError, match="there is no document 0; the index has ids 1 to 1"):
        index.remove([1, 0])
    assert len(index) == 1
    with pytest.raises(ParameterError, match="put needs an index made with key=PATH"):
        JSONIndex(JSONEncoder(64)).put([{"name": "Ada"}])


@pytest.fixture
def saved(tmp_path):
    documents = [Record(patient, f"ä.json:{i}") for i, patient in enumerate(PATIENTS)]
    with JSONIndex.create(tmp_path / "index", JSONEncoder(64).fit(PATIENTS)) as index:
        index.add(documents)
    return tmp_path / "index"


def test_an_index_in_a_folder_is_the_same(saved, tmp_path):
    fresh = JSONIndex(JSONEncoder(64).fit(PATIENTS)).add(PATIENTS)
    with JSONIndex.open(saved) as again:
        assert [again.document(i) for i in range(4)] == PATIENTS
        for mine, other in zip(again.search({"sex": "F"}), fresh.search({"sex": "F"}), strict=True):
            assert (mine.score, mine.id) == (other.score, other.id)
        assert again.like(0)[0].source == "ä.json:1"
        again.save(tmp_path / "copy")
    with JSONIndex.open(tmp_path / "copy", writable=True) as copy:
        copy.add([{"sex": "F"}])
        assert len(copy) == 5
        copy.verify()


def test_a_damaged_index_is_told(saved):
    for path in (path for path in saved.rglob("*") if path.is_file() and path.name != "lock"):
        whole = path.read_bytes()
        for position in range(0, len(whole), max(1, len(whole) // 5)):
            flipped = bytearray(whole)
            flipped[position] ^= 1 << position % 8
            path.write_bytes(flipped)
            with pytest.raises(FileFormatError), JSONIndex.open(saved) as index:
                index.verify()
        path.write_bytes(whole)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("documents", "many"),
        ("documents", -1),
        ("frequencies", [[["a"], [["=", "x", None]]]]),
        ("frequencies", [["a", []]]),
        ("frequencies", [[["a"], [[3, "x", 1]]]]),
        ("scales", [[["a"], "number", [1.0, "x"], [0.1, 0.9], 0.1]]),
        ("scales", [[["a"], "number", [2.0, 1.0], [0.1, 0.9], 0.1]]),
        ("scales", [[["a"], "number", [1.0], [0.1, 0.9], 0.1]]),
        ("scales", [[["a"], "color", [1.0], [0.1], 0.1]]),
        ("scales", [[["a"], "number", [], [], 0.1]]),
        ("numbers", [[["a"], [[None, 1]]]]),
        ("codes", [[1.5]]),
    ],
)
def test_an_encoder_that_cannot_be_is_told(tmp_path, part, value):
    meta = {"encoder": JSONEncoder(64).fit(PATIENTS).to_json(), "key": None}
    meta["encoder"]["profile"][part] = value
    Store.create(tmp_path / "odd", "json-index", columns(64, "packed"), meta).close()
    with pytest.raises(FileFormatError, match="fit it again"):
        JSONIndex.open(tmp_path / "odd")


def test_columns_of_another_dimension_are_told(tmp_path):
    meta = {"encoder": JSONEncoder(64).to_json(), "key": None}
    Store.create(tmp_path / "odd", "json-index", columns(128, "packed"), meta).close()
    with pytest.raises(FileFormatError, match="its columns are"):
        JSONIndex.open(tmp_path / "odd")


def test_another_kind_of_store_is_told(tmp_path):
    Store.create(tmp_path / "other", "binary-index", {"codes": ("uint64", 1)}).close()
    with pytest.raises(FileFormatError, match="of kind 'binary-index'"):
        JSONIndex.open(tmp_path / "other")
    Store.create(tmp_path / "older", "json-index", {"codes": ("uint64", 1)}, {"coder": 1}).close()
    with pytest.raises(FileFormatError, match=r"is of another version .*; build it again"):
        JSONIndex.open(tmp_path / "older")


@pytest.mark.parametrize("missing", ["ignore", "count"])
def test_weights_of_a_search_are_as_those_of_an_encoder(missing, crowd):
    weights = {"year": 3, "rest": 0.5, "word": 0}
    plain = JSONIndex(JSONEncoder(64).fit(crowd), vectors=None).add(crowd)
    weighed = JSONIndex(JSONEncoder(64, weights=weights).fit(crowd), vectors=None).add(crowd)
    for query in QUERIES:
        expected = weighed.search(query, 7, missing=missing)
        found = plain.search(query, 7, missing=missing, weights=weights)
        assert ids(found) == ids(expected)
        assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected])
        shares = [reason.share for reason in plain.explain(query, found[0], weights=weights)]
        assert sum(shares) == pytest.approx(found[0].score)
    with pytest.raises(ParameterError, match="asks for nothing"):
        plain.search({"word": "w1"}, weights=weights)
    with pytest.raises(ParameterError, match="weights"):
        plain.search({"word": "w1"}, weights={"word": -1})


def test_many_queries_are_answered_as_each_alone(crowded):
    several = crowded.search_many(QUERIES, 4, where="n >= 10")
    assert [ids(hits) for hits in several] == [ids(crowded.search(query, 4, where="n >= 10")) for query in QUERIES]
    assert crowded.search_many([]) == []
    with pytest.raises(ParameterError, match="queries"):
        crowded.search_many(3)


def test_numbers_are_found_in_arrays_of_numbers_and_of_anything():
    documents = [{"name": [1]}, {"name": ["red", 1]}, {"name": [2, "x"]}, {"name": [1, 2]}]
    index = JSONIndex(JSONEncoder(64), vectors=None).add(documents)
    for query in ({"name": ["red", 1]}, {"name": [1]}, {"name": [1, 2]}, {"name": ["x", 2]}, {"name": [2, "red"]}):
        matcher = Matcher(query, index.encoder.values, index.encoder.layout)
        expected = {number: matcher.score(document) for number, document in enumerate(documents)}
        found = {hit.id: hit.score for hit in index.search(query)}
        assert found == pytest.approx({number: score for number, score in expected.items() if score > 0})
    assert [hit.score for hit in index.search({"name": ["red", 1]}, 1)] == [1]


def test_hits_that_are_read_together_are_what_they_are_one_by_one():
    index = JSONIndex(JSONEncoder(64, seed=1), key="id").add({"id": f"k{i}", "tag": "red"} for i in range(5))
    one_by_one = [hit.to_dict() for hit in index.search({"tag": "red"}, 5)]
    together = index.search({"tag": "red"}, 5)
    read_together(together)
    assert all("_entry" in hit.__dict__ for hit in together)
    assert [hit.to_dict() for hit in together] == one_by_one
    assert [json.loads(hit.text) for hit in together] == [hit["document"] for hit in one_by_one]
