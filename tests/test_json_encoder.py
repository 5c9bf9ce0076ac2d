import hashlib
import json
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hdc
from hdc.apps.json import JSONEncoder
from hdc.apps.json.document import batches as batching
from hdc.apps.json.document.structure import leaf_value
from hdc.apps.json.encoder import encoder as encoder_module
from hdc.apps.json.encoder import leaf_vectors
from hdc.apps.json.values.statistics import Profile
from hdc.apps.json.values.values import Values
from hdc.errors import FileFormatError, ParameterError

SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text("ab C", max_size=5)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3)
)
PEOPLE = [
    {"name": "Ada Lovelace", "born": 1815, "tags": ["maths", "poetry"], "alive": False},
    {"name": "Alan Turing", "born": 1912, "tags": ["maths", "computing"], "alive": False},
    {"name": "Grace Hopper", "born": 1906, "tags": ["computing", "navy"], "alive": False},
    {"name": "Barbara Liskov", "born": 1939, "tags": ["computing"], "alive": True, "prize": {"name": "Turing"}},
]


def cosine(one, other):
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def gallant(vsa, value, path=()):
    """Return the sum of section 2 of Gallant (2022), term by term, with positions from 1."""
    if isinstance(value, dict) and value:
        return sum(vsa.bind(vsa.role(("key", key)), gallant(vsa, item, (*path, key))) for key, item in value.items())
    if isinstance(value, list) and value:
        terms = enumerate(value)
        return sum(vsa.bind(vsa.role(("position",)) ** (i + 1), gallant(vsa, x, (*path, i))) for i, x in terms)
    tokens = Values(Profile()).tokens(path, leaf_value(value))
    return vsa.bundle(vsa.symbols(list(tokens)), list(tokens.values()))


def count_leaves(value):
    if isinstance(value, dict | list) and value:
        return sum(map(count_leaves, value.values() if isinstance(value, dict) else value))
    return 1


@pytest.mark.parametrize("matrix", ["permutation", "hadamard", "haar"])
@settings(max_examples=20, deadline=None)
@given(document=VALUES)
def test_a_document_is_gallants_sum(matrix, document):
    encoder = JSONEncoder(64, matrix=matrix, arrays="sequence")
    expected = gallant(encoder.vsa, document) / math.sqrt(count_leaves(document))
    assert encoder.transform([document])[0] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("arrays", ["auto", "bag", "sequence", "both"])
@pytest.mark.parametrize("balance", [0.0, 0.5])
def test_a_batch_is_each_document_alone(arrays, balance):
    encoder = JSONEncoder(256, arrays=arrays, balance=balance).fit(PEOPLE)
    alone = np.concatenate([encoder.transform([person]) for person in PEOPLE])
    assert encoder.transform(iter(PEOPLE)) == pytest.approx(alone, abs=1e-6)


def test_blocks_and_batches_do_not_show(monkeypatch):
    encoder = JSONEncoder(256).fit(PEOPLE)
    whole = encoder.transform(PEOPLE)
    monkeypatch.setattr(batching, "BATCH_LEAVES", 4)
    monkeypatch.setattr(batching, "BATCH_DOCUMENTS", 2)
    for room, block, tokens in ((1, 1, 1), (4, 3, 30), (5, 2, 7), (9, 100, 40)):
        monkeypatch.setattr(leaf_vectors, "HELD_BYTES", 4 * room * 256)
        monkeypatch.setattr(leaf_vectors, "BLOCK", block)
        monkeypatch.setattr(leaf_vectors, "DRAWN", block)
        monkeypatch.setattr(leaf_vectors, "HELD_TOKENS", tokens)
        for table in (50_000, batching.TABLE_BYTES):
            monkeypatch.setattr(batching, "TABLE_BYTES", table)
            fresh = JSONEncoder.from_json(encoder.to_json())  # an encoder keeps what its last call held
            for order in ([0, 1, 2], [2, 0, 0, 1], [1, 1, 2, 0, 2]):
                people = [PEOPLE[i] for i in order]
                assert fresh.transform(people) == pytest.approx(whole[order], abs=1e-6)
        assert len(list(fresh.encode(PEOPLE))) > 1
    assert encoder.fit(PEOPLE).profile_ == JSONEncoder().fit(PEOPLE).profile_


def test_what_is_needed_now_is_not_given_up(monkeypatch):
    """With room for three leaves, one that the next document has too stays, and a new one takes another's place."""
    whole = {"a": "x", "b": "y", "c": "z"}
    pairs = [{key: whole[key], "d": "w"} for key in whole]
    expected = JSONEncoder(64).transform([whole, *pairs])
    monkeypatch.setattr(leaf_vectors, "HELD_BYTES", 4 * 3 * 64)
    for row, pair in enumerate(pairs, 1):
        encoder = JSONEncoder(64)
        for document, vector in ((whole, expected[0]), (pair, expected[row]), (whole, expected[0])):
            assert encoder.transform([document])[0] == pytest.approx(vector, abs=1e-6)
        _, held = encoder_module._KEPT[encoder]
        assert not held._tokens  # tokens go once the vector is made


def test_tokens_that_are_used_again_are_drawn_once(monkeypatch):
    """Where there is no room for all, what is used again and again stays, and what was used long ago goes."""
    monkeypatch.setattr(leaf_vectors, "HELD_TOKENS", 4)
    encoder = JSONEncoder(64)
    held = leaf_vectors.TokenVectors(encoder.vsa, encoder.values)
    drawn = []

    def vectors(vsa, tokens, draw=encoder.values.vectors):
        drawn.extend(content for _, content in tokens)
        return draw(vsa, tokens)

    monkeypatch.setattr(held._values, "vectors", vectors)

    def use(texts):
        tokens = [("=", text) for text in texts]
        rows = held.rows(tokens)
        assert (held.vectors[rows] == encoder.vsa.symbols(tokens)).all()

    for number in range(8):
        use(["often", f"once {number}"])
    assert drawn.count("often") == 1
    assert len(drawn) == 9
    for number in range(8, 16):
        use([f"once {number}"])
    use(["often"])
    assert drawn.count("often") == 2
    use("abcdefgh")  # more than there is room for
    use("ab")
    assert drawn[-8:] == list("abcdefgh")
    use([])


def test_runs_of_leaves_have_few_leaves_and_few_tokens_and_steps(monkeypatch):
    monkeypatch.setattr(leaf_vectors, "BLOCK", 4)
    monkeypatch.setattr(leaf_vectors, "HELD_TOKENS", 4)

    def runs(tokens, depths=None, steps=1000):
        return list(leaf_vectors._blocks(tokens, depths or [1] * len(tokens), steps))

    names = [("=", name) for name in "abcdefghij"]
    one, two, five = {names[0]: 1.0}, {names[1]: 1.0, names[2]: 1.0}, dict.fromkeys(names[3:8], 1.0)
    assert runs([one] * 9) == [(0, 4), (4, 8), (8, 9)]
    assert runs([two, one, two, one, five, one]) == [(0, 2), (2, 4), (4, 5), (5, 6)]
    assert runs([two, {**one, names[4]: 1.0}, one]) == [(0, 2), (2, 3)]
    assert runs([one] * 6, [1, 2, 1, 9, 0, 3], 4) == [(0, 3), (3, 4), (4, 6)]
    assert runs([]) == []


@pytest.mark.parametrize("arrays", ["auto", "bag", "sequence", "both"])
@pytest.mark.parametrize("balance", [0.0, 0.7])
def test_a_document_is_the_sum_of_its_leaves_and_of_norm_about_one(arrays, balance):
    encoder = JSONEncoder(8192, arrays=arrays, balance=balance).fit(PEOPLE)
    for person in PEOPLE:
        vector = encoder.transform([person])[0]
        leaves, vectors = encoder.leaf_vectors(person)
        assert len(leaves) == len(vectors)
        assert vectors.sum(axis=0) == pytest.approx(vector, abs=1e-6)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=0.05)


def test_nothing_stale_is_left_for_the_next_call():
    encoder, texts = JSONEncoder(256, weights={"born": 2}), [{"name": "Ada", "born": 1}]
    before = encoder.fit(PEOPLE).transform(PEOPLE)
    assert encoder.transform(PEOPLE) == pytest.approx(before, abs=1e-6)
    for change in ({"seed": 1}, {"arrays": "soft"}, {"weights": {"born": 3}}, {"balance": 0.5}, {"dim": 128}):
        changed = encoder.set_params(**change).transform(PEOPLE)
        again = JSONEncoder.from_json(encoder.to_json()).transform(PEOPLE)
        assert np.array_equal(changed, again)
    encoder.weights["born"] = 0
    assert np.array_equal(encoder.transform(texts), JSONEncoder.from_json(encoder.to_json()).transform(texts))
    encoder.fit(texts)
    assert np.array_equal(encoder.transform(texts), JSONEncoder.from_json(encoder.to_json()).transform(texts))


def test_a_call_that_failed_or_was_left_does_not_harm_the_next():
    encoder = JSONEncoder(256)
    with pytest.raises(ParameterError, match="no JSON value"):
        encoder.transform([*PEOPLE, {"born": math.nan}])
    next(encoder.encode(PEOPLE))
    one, other = encoder.encode(PEOPLE), encoder.encode(PEOPLE[::-1])
    assert next(one)[0] == pytest.approx(next(other)[0][::-1], abs=1e-6)
    assert list(one) == list(other) == []
    assert np.array_equal(encoder.transform(PEOPLE), encoder.transform(PEOPLE))


def test_threads_may_share_an_encoder():
    encoder = JSONEncoder(256).fit(PEOPLE)
    expected = encoder.transform(PEOPLE)
    with ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(lambda _: encoder.transform(PEOPLE), range(40)):
            assert vectors == pytest.approx(expected, abs=1e-6)


def test_shape_and_dtype():
    vectors = JSONEncoder(100).fit_transform(PEOPLE)
    assert vectors.shape == (4, 100)
    assert vectors.dtype == np.float32
    assert JSONEncoder(100).transform([]).shape == (0, 100)


def test_key_order_does_not_matter_and_item_order_does_where_asked():
    one, other = {"a": 1, "b": ["x", "y"]}, {"b": ["y", "x"], "a": 1}
    for arrays, same in (("bag", True), ("auto", True), ("sequence", False), ("both", False)):
        first, second = JSONEncoder(1024, arrays=arrays).transform([one, other])
        assert (cosine(first, second) > 0.999) is same
    sequence, both = (
        cosine(*JSONEncoder(4096, arrays=arrays).transform([one, other])) for arrays in ("sequence", "both")
    )
    assert sequence == pytest.approx(1 / 3, abs=0.1)
    assert both == pytest.approx(2 / 3, abs=0.1)
    first, second = JSONEncoder(1024).transform([{"at": [10, 2000]}, {"at": [2000, 10]}])
    assert cosine(first, second) < 0.5


def test_where_a_value_stands_matters():
    documents = [{"a": {"b": "x"}}, {"b": {"a": "x"}}, {"a.b": "x"}, {"a": [{"b": "x"}]}, ["a", "b", "x"]]
    vectors = JSONEncoder(4096).transform(documents)
    similarities = vectors @ vectors.T - np.eye(len(documents))
    assert np.abs(similarities).max() < 0.1


def test_types_are_apart_and_strings_and_numbers_soft():
    values = [1, "1", True, 1.0, "Focal seizure", "focal Seizure", "Seizure", 1.1, 1000]
    v = dict(enumerate(JSONEncoder(8192).transform([{"v": value} for value in values])))
    assert max(abs(cosine(v[0], v[1])), abs(cosine(v[0], v[2])), abs(cosine(v[1], v[2]))) < 0.06
    assert cosine(v[0], v[3]) == pytest.approx(1)
    assert cosine(v[4], v[5]) == pytest.approx(0.5, abs=0.06)
    assert 0.2 < cosine(v[4], v[6]) < cosine(v[4], v[5])
    assert cosine(v[0], v[7]) > cosine(v[0], v[8]) + 0.5


def test_rare_values_weigh_more_after_fit():
    documents = [{"kind": "common", "id": f"value {i % 7}"} for i in range(50)]
    encoder = JSONEncoder(4096).fit(documents)
    rare, common, query = encoder.transform(
        [{"kind": "other", "id": "value 3"}, {"kind": "common", "id": "value 4"}, {"kind": "common", "id": "value 3"}]
    )
    assert cosine(query, rare) > 0.4 > 0.1 > cosine(query, common)


def test_balance_keeps_a_huge_object_from_drowning_the_rest():
    big = {f"field {i}": f"v{i}" for i in range(60)}
    one, other = {"name": "Ada", "big": big}, {"name": "Ada", "big": dict.fromkeys(big, "w")}
    flat, balanced = (cosine(*JSONEncoder(4096, balance=b).transform([one, other])) for b in (0, 1))
    assert flat == pytest.approx(1 / 61, abs=0.06)
    assert balanced == pytest.approx(1 / 2, abs=0.06)


def test_repeats_count_once():
    one, other = JSONEncoder(512).transform([{"tags": ["a", "b"]}, {"tags": ["a", "b", "a", "a"]}])
    assert one == pytest.approx(other, abs=1e-6)


@pytest.mark.slow
def test_large_documents():
    encoder = JSONEncoder(1024)
    many = {f"key {i}": [i, str(i), {"a": i}] for i in range(3000)}
    vectors = encoder.transform([many, {"text": "word " * 100_000}, list(range(2000)), "x" * 10_000_000])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=0.2)


def _without(part, name):
    state = JSONEncoder(64).fit(PEOPLE).to_json()
    del state[part][name]
    return state


@pytest.mark.parametrize(
    "state",
    [
        {},
        [],
        None,
        _without("parameters", "string_encoder"),
        _without("profile", "numbers"),
        {**JSONEncoder().to_json(), "profile": {"documents": 1, "frequencies": [1], "scales": [], "numbers": []}},
        {**JSONEncoder().to_json(), "parameters": {"string_encoder": False, "unknown": 1}},
    ],
)
def test_a_state_of_another_version_is_told(state):
    with pytest.raises(FileFormatError, match="not a state of a JSONEncoder, or one of another version"):
        JSONEncoder.from_json(state)


def test_parameters():
    encoder = JSONEncoder(512, seed=3)
    assert encoder.get_params() == {
        "dim": 512, "output": "float",
        "matrix": "permutation", "seed": 3, "arrays": "auto", "weights": None, "balance": 0.0,
        "numbers": "grid", "bandwidth": 0.1, "convert": (), "strings": None, "string_encoder": None, "rarity": True,
        "backend": "auto", "device": "cpu",
    }  # fmt: skip
    assert encoder.set_params(dim=64).transform(["x"]).shape == (1, 64)
    assert repr(JSONEncoder(8)).startswith("JSONEncoder(dim=8, output='float'")
    with pytest.raises(ParameterError, match="has no parameter 'size'"):
        encoder.set_params(size=3)
    for bad in ({"arrays": "set"}, {"balance": 1.5}, {"matrix": "dense"}, {"dim": 0}):
        with pytest.raises(ParameterError, match=next(iter(bad))):
            JSONEncoder().set_params(**bad).transform([1])
    with pytest.raises(ParameterError, match="in a list or iterator, and a dict was given"):
        encoder.transform({"a": 1})
    with pytest.raises(ParameterError, match="at least one document"):
        encoder.fit([])


def test_state_survives_json():
    encoder = JSONEncoder(128, arrays="both", seed=5).fit(PEOPLE)
    again = JSONEncoder.from_json(json.loads(json.dumps(encoder.to_json())))
    assert np.array_equal(again.transform(PEOPLE), encoder.transform(PEOPLE))
    assert again.profile_ == encoder.profile_
    assert not np.allclose(again.transform(PEOPLE), JSONEncoder(128, arrays="both", seed=5).transform(PEOPLE))


def test_input_is_untouched():
    before = json.dumps(PEOPLE)
    JSONEncoder(64).fit_transform(PEOPLE)
    assert json.dumps(PEOPLE) == before


@pytest.mark.slow
def test_vectors_are_the_same_in_every_process():
    script = (
        "import hashlib, json, sys\nfrom hdc.apps.json import JSONEncoder\n"
        "vectors = JSONEncoder(256, arrays='both').fit_transform(json.loads(sys.argv[1]))\n"
        "print(hashlib.sha256(vectors.tobytes()).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-c", script, json.dumps(PEOPLE)],
        env={**os.environ, "PYTHONHASHSEED": "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"},
        cwd=Path(hdc.__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    vectors = JSONEncoder(256, arrays="both").fit_transform(PEOPLE)
    assert other == f"{hashlib.sha256(vectors.tobytes()).hexdigest()}\n"
