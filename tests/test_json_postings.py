"""Searches of JSON indexes against comparing every document: any documents, queries, changes, files and threads."""

import json
import shutil
import threading
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.json.document.rules import MODES
from hdc.apps.json.index.meaning import Meanings
from hdc.errors import FileFormatError, ParameterError
from hdc.search.postings import keeping, searcher
from tests.comparing import Comparison

LEAST = 1e-6
"""Scores below are too small for integers that add up to about 2**30."""


@pytest.fixture
def small(monkeypatch):
    """Make segments of eight documents at most, each worth a file."""
    monkeypatch.setattr(searcher, "LARGEST", 8)
    monkeypatch.setattr(searcher, "LEAST_KEPT", 1)


@pytest.fixture
def no_reading(monkeypatch):
    """Return what forbids to take stored documents apart."""

    def fail(self, snapshot, start, stop):
        raise AssertionError(f"documents {start} to {stop} are taken apart again")

    return lambda: monkeypatch.setattr(Meanings, "segment", fail)


def check(index, query, k=10, missing="ignore", held=None):
    """Search, and compare with the scores of all documents for the query as it is read."""
    held = dict(zip(index.ids().tolist(), index.documents(index.ids()), strict=True)) if held is None else held
    hits = index.search(query, k, missing=missing)
    query = index.interpret(query).query
    if "*" in str(query):
        return hits
    compared = Comparison(query, index.encoder, missing)
    scores = {number: compared.score(document) for number, document in held.items()}
    best = sorted(scores.values(), reverse=True)[:k]
    found = [hit.score for hit in hits]
    assert found == pytest.approx(best[: len(found)], abs=1e-7)
    assert all(score < LEAST for score in best[len(found) :])
    assert len({hit.id for hit in hits}) == len(hits)
    for hit in hits:
        assert hit.score == pytest.approx(scores[hit.id], abs=1e-7)
        assert 0 < hit.score <= 1
        assert hit.document == held[hit.id]
    assert [(hit.score, hit.id) for hit in hits] == sorted(
        ((hit.score, hit.id) for hit in hits), key=lambda pair: (-pair[0], pair[1])
    )
    return hits


# ---------------------------------------------------------------------- any documents and queries

TEXTS = ["red shoes", "red", "Shoes red blue", "blue", "HP:0001250", "12", "3.5", "2020-02-01", "été", ""]
NUMBERS = [0, 1, -3, 2.5, 1e9, 2**53 + 1, 2**60, 2**60 + 1, 10**400, -(10**400), 0.1, 7, 8, 9]
SCALARS = st.sampled_from([*TEXTS, None, True, False])
NUMBER = st.sampled_from(NUMBERS)
EMPTY = st.sampled_from([[], {}])


def objects(inner, most):
    return st.dictionaries(st.sampled_from("xyz"), inner, max_size=most)


def arrays(inner):
    """Arrays of one kind: numbers, or none."""
    return st.lists(NUMBER, max_size=4) | st.lists(SCALARS, max_size=3) | st.lists(inner, max_size=3)


INNER = st.recursive(
    objects(SCALARS | NUMBER | EMPTY, 2), lambda inner: objects(inner | arrays(inner), 2) | arrays(inner), max_leaves=5
)
DOCUMENTS = st.lists(
    st.dictionaries(st.sampled_from("abc"), SCALARS | NUMBER | EMPTY | INNER | arrays(INNER), max_size=3),
    min_size=1,
    max_size=10,
)
FIT = [
    {"a": "red shoes", "b": {"x": 1, "y": ["red", "blue"]}, "c": [1, 2.5, 7]},
    {"a": "HP:0001250", "b": {"x": 9, "y": ["blue"]}, "c": [0, 2.5, 8]},
    {"a": "HP:0001251", "b": [{"x": 3, "z": "red"}, {"x": -3}], "c": 2.5},
    {"a": 12, "b": [{"x": 2**60}], "c": [[1, 2], [3, 4]]},
]


def meaning(texts):
    """Embed texts by how often they have each of some letters: more and less like ones, and one like none."""
    counts = np.array([[text.count(letter) for letter in "redshu0é"] for text in texts], float)
    return counts - 0.5 * (counts.sum(axis=1, keepdims=True) > 4)


OPTIONS = [
    {},
    {"convert": ["numbers", "dates"]},
    {"numbers": "smooth", "bandwidth": 0.5},
    {"strings": {"ngrams": 0.5, "words": 1}},
    {"weights": {"a": 2.0, "b": 0.5, "b.x": 0, "c": 3}},
    {"rarity": False, "strings": {"words": 0, "exact": 1}},
    {"string_encoder": meaning},
    {"string_encoder": meaning, "strings": {"encoder": 3, "exact": 1}, "convert": ["dates"], "numbers": "smooth"},
]


@cache
def encoder_of(option, mode, fitted):
    encoder = JSONEncoder(64, arrays=mode, **OPTIONS[option])
    return encoder.fit(FIT) if fitted else encoder


ENCODERS = st.builds(encoder_of, st.integers(0, len(OPTIONS) - 1), st.sampled_from(MODES), st.booleans())


def compare_everything(encoder, documents, data):
    index = JSONIndex(encoder)
    cuts = data.draw(st.sets(st.integers(0, len(documents)), max_size=2))
    for start, stop in pairwise(sorted({0, len(documents)} | cuts)):
        index.add(documents[start:stop])
        if data.draw(st.booleans()):
            index.search({"a": 1})
    for _ in range(3):
        query = data.draw(st.sampled_from(documents) | DOCUMENTS.map(lambda several: several[0]))
        if query and data.draw(st.booleans()):
            key = data.draw(st.sampled_from(sorted(query)))
            query = {key: query[key]}
        try:
            Comparison(index.interpret(query).query, encoder, "ignore")
        except ParameterError:
            with pytest.raises(ParameterError):
                index.search(query)
            continue
        missing = data.draw(st.sampled_from(["ignore", "count"]))
        hits = check(index, query, data.draw(st.sampled_from([1, 3, 40])), missing)
        if json.dumps(query) in map(json.dumps, documents):  # as False equals 0
            assert hits[0].score == 1.0


CASE = ENCODERS, DOCUMENTS, st.data()


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(*CASE)
def test_searches_are_those_of_comparing_everything(encoder, documents, data):
    compare_everything(encoder, documents, data)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(*CASE)
def test_many_searches_are_those_of_comparing_everything(encoder, documents, data):
    compare_everything(encoder, documents, data)


def test_all_that_is_asked_for_scores_one_exactly():
    documents = [
        {"a": f"w{i} x{i % 7} y{i % 3}", "n": i / 7, "t": [{"u": i}, {"u": i / 3, "v": ["q", i]}]} for i in range(50)
    ]
    for encoder in (JSONEncoder(64), JSONEncoder(64, arrays="both").fit(documents), JSONEncoder(64, numbers="smooth")):
        index = JSONIndex(encoder).add(documents)
        for number in range(0, 50, 3):
            document = documents[number]
            for query in (document, {"a": document["a"]}, {"t": document["t"][1:]}, {"n": document["n"]}):
                for missing in ("ignore",) if query != document else ("ignore", "count"):
                    (hit,) = index.search(query, 1, missing=missing)
                    assert hit.score == 1.0 or encoder.arrays == "both"
        for query in documents[:9]:
            assert index.search(query, 1)[0].score == 1.0


def test_large_integers_are_told_apart():
    documents = [{"n": n} for n in (2**53, 2**53 + 1, 2**53 + 2, 10**400, 10**400 + 1, -(10**400), 2**70, float(2**70))]
    index = JSONIndex(JSONEncoder(64)).add(documents)
    for number, document in enumerate(documents):
        hits = check(index, document, 20)
        assert hits[0].score == 1.0
        assert {hit.id for hit in hits if hit.score == 1} == ({6, 7} if number > 5 else {number})


def test_equal_scores_are_by_id_through_changes(small):
    index = JSONIndex(JSONEncoder(64), key="k").add({"k": str(i), "a": "red"} for i in range(30))
    index.put({"k": str(i), "a": "red"} for i in (3, 29, 0))
    index.update([5, 1], [{"k": "5", "a": "red"}, {"k": "1", "a": "red"}])
    index.remove([2, 28])
    for k in (1, 4, 9, 27, 28, 50):
        assert [hit.id for hit in index.search({"a": "red"}, k)] == [i for i in range(30) if i not in (2, 28)][:k]
    index.compact()
    assert [hit.id for hit in index.search({"a": "red"}, 4)] == [0, 1, 3, 4]


def test_far_more_than_there_are_may_be_asked_for():
    index = JSONIndex(JSONEncoder(64)).add({"a": i} for i in range(5))
    assert len(index.search({"a": 1}, 2**62, where=lambda document: document["a"] < 3)) == 3
    assert JSONIndex(JSONEncoder(64)).search({"a": 1}, 2**62) == []


# ---------------------------------------------------------------------- changes and files

WORDS = ["red", "blue", "green shoes", "red shoes", "shoes"]


def some(rng, key):
    return {
        "k": key,
        "a": WORDS[rng.integers(5)],
        "n": int(rng.integers(9)),
        "t": [{"u": WORDS[rng.integers(5)], "v": float(rng.integers(4))} for _ in range(rng.integers(4))],
        "at": rng.integers(0, 5, 2).tolist(),
    }


class Model:
    """An index in memory, one in a folder, a reader of that, and what they should hold."""

    def __init__(self, place, seed):
        self.rng = np.random.default_rng(seed)
        self.place, self.folder, self.copies = place, place / "index", 0
        encoder = JSONEncoder(64).fit([some(self.rng, str(i)) for i in range(20)])
        self.memory, self.index = JSONIndex(encoder, key="k"), JSONIndex.create(self.folder, encoder, key="k")
        self.reader = JSONIndex.open(self.folder)
        self.held, self.keys, self.read = {}, 0, {}

    def fresh(self, most):
        count = int(self.rng.integers(1, most))
        self.keys += count
        return [some(self.rng, f"k{self.keys - i}") for i in range(count)]

    def both(self, change):
        first, second = change(self.memory), change(self.index)
        assert first is None or np.array_equal(first, second)
        return second

    def add(self):
        documents = self.fresh(7)
        (ids,) = self.both(lambda index: np.array([*index.extend(documents)]))
        self.held.update(zip(ids.tolist(), documents, strict=True))

    def put(self):
        documents = self.fresh(4)
        for number in self.some_ids(3):
            documents.append(some(self.rng, self.held[number]["k"]))
        (ids,) = self.both(lambda index: np.array([*index.extend(documents, replace=True)]))
        self.held.update(zip(ids.tolist(), documents, strict=True))

    def some_ids(self, most):
        return self.rng.permutation(sorted(self.held))[: int(self.rng.integers(0, most + 1))].tolist()

    def update(self):
        ids = self.some_ids(3)
        documents = [some(self.rng, self.held[number]["k"]) for number in ids]
        self.both(lambda index: index.update(ids, documents))
        self.held.update(zip(ids, documents, strict=True))

    def remove(self):
        ids = self.some_ids(4)
        self.both(lambda index: np.array(index.remove(ids)))
        for number in ids:
            del self.held[number]

    def compact(self):
        self.both(lambda index: index.compact())

    def reopen(self):
        self.index.close()
        self.index = JSONIndex.open(self.folder, writable=True)

    def lose(self):
        """Open it without some of the files that searches need, and with one of them damaged."""
        self.index.close()
        for path in sorted(self.folder.rglob(f"{keeping.PREFIX}*")):
            chance = self.rng.random()
            if chance < 0.3:
                path.unlink()
            elif chance < 0.6:
                content = bytearray(path.read_bytes())
                content[self.rng.integers(len(content))] ^= 1
                path.unlink()  # others go on with the file that they have mapped
                path.write_bytes(content)
        self.index = JSONIndex.open(self.folder, writable=True)

    def kill(self):
        """Go on with what is on the disk while the writer has not closed it."""
        place = self.place / f"killed {self.copies}"
        self.copies += 1
        shutil.copytree(self.folder, place)
        self.index.close()
        self.index, self.folder = JSONIndex.open(place, writable=True), place
        self.reader = JSONIndex.open(place)
        self.read = dict(self.held)

    def save(self):
        place = self.place / f"copy {self.copies}"
        self.copies += 1
        self.index.save(place)
        with JSONIndex.open(place) as copy:
            self.compare(copy, self.held)

    def refresh(self):
        self.reader.refresh()
        self.read = dict(self.held)

    def search(self):
        self.compare(self.memory, self.held)
        self.compare(self.index, self.held)
        self.compare(self.reader, self.read)

    def compare(self, index, held):
        query = some(self.rng, "k1")
        del query[["k", "a", "n", "t", "at"][self.rng.integers(5)]]
        missing = ["ignore", "count"][self.rng.integers(2)]
        check(index, query, int(self.rng.integers(1, 12)), missing, held)


CHANGES = (
    ["add"] * 4 + ["search"] * 3 + ["put", "update", "remove", "compact", "reopen", "lose", "kill", "save", "refresh"]
)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 40))])
def test_searches_after_any_changes(tmp_path, seed):
    model = Model(tmp_path, seed)
    try:
        for _ in range(30):
            getattr(model, CHANGES[model.rng.integers(len(CHANGES))])()
        model.refresh()
        model.search()
    finally:
        model.index.close()


@pytest.mark.usefixtures("small")
def test_what_was_kept_is_not_made_again(tmp_path, no_reading):
    rng = np.random.default_rng(0)
    documents = [some(rng, str(i)) for i in range(30)]
    index = JSONIndex.create(tmp_path / "index", JSONEncoder(64), key="k")
    for start in range(0, 30, 5):
        index.add(documents[start : start + 5])
    check(index, documents[3])
    no_reading()
    with index:
        check(index, documents[3])
        index.add([some(rng, "another")])
        index.remove([4])
        check(index, documents[3])
    with JSONIndex.open(tmp_path / "index", writable=True) as index:
        check(index, documents[3])
        index.compact()
        shutil.copytree(tmp_path / "index", tmp_path / "killed")
        check(index, documents[3])
        index.save(tmp_path / "copy")
    for name in ("index", "killed", "copy"):
        with JSONIndex.open(tmp_path / name) as index:
            index.verify()
            assert len(index._posting_rows().segments) > 2
            check(index, documents[3])


def test_searches_between_additions_take_nothing_apart_twice(no_reading):
    no_reading()
    index = JSONIndex(JSONEncoder(64))
    for i in range(40):
        index.add({"a": i, "b": j} for j in range(1 + 7 * i % 11))
        if i % 3:
            check(index, {"a": i, "b": 2}, 3)
    check(index, {"b": 2}, 300)
    assert index._postings._fresh[1] == ()


def test_small_additions_write_no_files(tmp_path):
    with JSONIndex.create(tmp_path / "index", JSONEncoder(64)) as index:
        for i in range(30):
            index.add([{"a": i}])
        assert not [*(tmp_path / "index").rglob(f"{keeping.PREFIX}*")]
        check(index, {"a": 7})


def test_verify_tells_a_damaged_file(tmp_path, small):
    with JSONIndex.create(tmp_path / "index", JSONEncoder(64)).add({"a": i} for i in range(9)) as index:
        index.compact()
        index.verify()
        path, *_ = (tmp_path / "index").rglob(f"{keeping.PREFIX}*")
        content = bytearray(path.read_bytes())
        content[-100] ^= 1
        path.write_bytes(content)
        with pytest.raises(FileFormatError):
            index.verify()


# ---------------------------------------------------------------------- threads


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("folder", [False, True])
def test_threads_search_while_documents_are_added(tmp_path, folder):
    encoder = JSONEncoder(64)
    index = JSONIndex.create(tmp_path / "index", encoder) if folder else JSONIndex(encoder)
    added, done, wrong = [0], threading.Event(), []

    def search():
        most = 0
        while not done.is_set():
            least = added[0]
            ids = [hit.id for hit in index.search({"a": "red"}, 1000)]
            if ids != list(range(len(ids))) or len(ids) < max(least, most):
                wrong.append((least, ids))
            most = len(ids)

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for i in range(40):
            index.add({"a": "red", "n": j} for j in range(1 + i % 4))
            added[0] = len(index)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not wrong
    check(index, {"a": "red", "n": 2}, 30)
    index.close()


@pytest.mark.parametrize("change", ["update", "remove", "compact", "add"])
def test_what_is_changed_while_documents_are_added_is_found_as_it_is(monkeypatch, change):
    """Another thread changes rows after they were appended, before the adding thread has noted what they hold."""
    index = JSONIndex(JSONEncoder(64)).add({"a": "old", "n": i} for i in range(4))
    append = index.store.append
    changes = {
        "update": lambda numbers: index.update(numbers[:1], [{"a": "other"}]),
        "remove": lambda numbers: index.remove(numbers[:1]),
        "compact": lambda numbers: (index.remove([0, 2]), index.compact()),
        "add": lambda numbers: index.add([{"a": "another"}] * 3),
    }

    def interrupted(*arguments):
        numbers = append(*arguments)
        monkeypatch.setattr(index.store, "append", append)
        changes[change](numbers)
        return numbers

    monkeypatch.setattr(index.store, "append", interrupted)
    index.add({"a": "new", "n": i} for i in range(3))
    for query in ({"a": "new"}, {"a": "old"}, {"a": "other"}, {"a": "another"}, {"n": 2}):
        check(index, query)


@pytest.mark.parametrize("numbers", ["grid", "smooth"])
def test_numbers_of_mixed_arrays_are_compared_on_the_scale_of_where_they_stand(numbers):
    """Positions of arrays of numbers have scales of their own; all items of other arrays share one."""
    fit = [{"c": [i, 100 * i]} for i in range(30)] + [{"c": [7 * i, "x"]} for i in range(9)]
    index = JSONIndex(JSONEncoder(64, convert=["numbers"], numbers=numbers).fit(fit)).add(fit)
    for query in ({"c": "3.5"}, {"c": ["350", "x"]}, {"c": [14, "x"]}, {"c": [14, 3]}, {"c": [13.0]}):
        for missing in ("ignore", "count"):
            hits = check(index, query, 40, missing)
            assert hits
            for hit in hits[:3]:
                assert sum(reason.share for reason in index.explain(query, hit)) == pytest.approx(hit.score, abs=1e-7)
