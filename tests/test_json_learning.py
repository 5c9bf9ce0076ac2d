import json
import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc import files
from hdc.apps.json import JSONEncoder
from hdc.apps.json.document.constant import Constant
from hdc.apps.json.values import learning
from hdc.apps.json.values import sketches as counting
from hdc.apps.json.values.learning import MAX_TOKEN_LENGTH, NUMBERS, ProfileBuilder
from hdc.apps.json.values.sketches import Counts, Sample, Samples
from hdc.apps.json.values.statistics import Profile
from hdc.errors import FileFormatError, MismatchError

STREAMS = st.lists(st.lists(st.integers(0, 30), max_size=40), max_size=20)


def counts_of(streams):
    counts = Counts()
    for items in streams:
        counts.add("path", items)
    return counts


@pytest.mark.parametrize("kept", [2, 5])
@settings(max_examples=50, deadline=None)
@given(streams=STREAMS, others=STREAMS)
def test_counts_are_never_too_high_and_too_low_by_the_stated_error(kept, streams, others):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "KEPT", kept)
        summary = counts_of(streams)
        summary.merge(counts_of(others))
    truth = Counter(item for items in [*streams, *others] for item in items)
    found = {item: count for _, item, count in summary}
    assert len(found) <= 2 * kept
    assert summary.error <= sum(truth.values()) / kept
    for item, count in truth.items():
        assert count - summary.error <= found.get(item, 0) <= count


def test_groups_are_counted_apart_and_dropped_when_empty(monkeypatch):
    monkeypatch.setattr(counting, "KEPT", 1)
    counts = Counts()
    counts.add("a", "xx")
    counts.add("b", "x")
    assert list(counts) == [("a", "x", 2), ("b", "x", 1)]
    counts.add("c", "y")
    assert (list(counts), counts.error) == ([("a", "x", 1)], 1)


def test_a_sample_is_all_of_few_numbers():
    one, other = Sample(), Sample()
    for value in range(10):
        (one if value < 4 else other).add(value)
    one.merge(other)
    assert (one.values, one.seen) == (list(range(10)), 10)


def test_merged_samples_are_uniform_over_both_streams(monkeypatch):
    monkeypatch.setattr(counting, "SAMPLE", 1000)
    one, other = Sample(), Sample()
    for value in range(20_000):
        (one if value < 5_000 else other).add(value)
    one.merge(other)
    assert (len(one.values), one.seen, len(set(one.values))) == (1000, 20_000, 1000)
    # A quarter of the numbers is from the first stream: 250, with a standard deviation of 13.3; six of them.
    assert abs(sum(value < 5_000 for value in one.values) - 250) < 80
    assert abs(sum(value < 10_000 for value in one.values) - 500) < 95


def test_samples_drop_the_groups_of_few_numbers(monkeypatch):
    monkeypatch.setattr(counting, "SAMPLED", 20)
    samples = Samples()
    for group in "aaaaaabcdefghijklmno":
        samples.add(group, 1)
    assert len(dict(samples)) == 15
    samples.add("b", 1)
    assert {group: sample.seen for group, sample in samples} == {"a": 6, "b": 2, "n": 1, "o": 1}


DOCUMENTS = [
    {"name": "Ada", "born": 1815, "tags": ["maths", "poetry"], "alive": False},
    {"name": "Alan", "born": 1912, "tags": ["maths"], "alive": False, "note": None},
    {"name": "Ada", "born": 1906.5, "tags": [], "alive": True},
]


@pytest.mark.parametrize("cut", [0, 1, 3])
def test_parts_counted_apart_are_the_whole(cut):
    encoder = JSONEncoder(64)
    parts = [pickle.loads(pickle.dumps(encoder.count(part))) for part in (DOCUMENTS[:cut], DOCUMENTS[cut:])]
    merged = parts[0].merge(parts[1])
    assert merged.error == 0
    assert merged.build() == encoder.fit(DOCUMENTS).profile_


def test_the_values_of_a_path_are_kept_with_their_counts():
    profile = JSONEncoder(64).fit(DOCUMENTS).profile_
    assert profile.values(("name",)) == [("Ada", 2), ("Alan", 1)]
    assert profile.values(("tags", 0)) == profile.values(("tags", None)) == [("maths", 2), ("poetry", 1)]
    assert profile.values(("tags",)) == [(Constant.EMPTY_ARRAY, 1)]
    assert dict(profile.values(("born",))) == {1815: 1, 1906.5: 1, 1912: 1}
    assert profile.values(("alive",)) == [(Constant.FALSE, 2), (Constant.TRUE, 1)]
    assert profile.values(("note",)) == [(None, 1)]
    assert profile.values(("unknown",)) == []
    assert Profile.from_json(json.loads(json.dumps(profile.to_json()))) == profile


def test_the_values_of_a_path_are_bounded():
    documents = [{"n": n, "s": "x" * (MAX_TOKEN_LENGTH + n % 2), "big": 10**400} for n in range(5000)]
    profile = JSONEncoder(64).fit(documents).profile_
    numbers = sorted(number for number, _ in profile.values(("n",)))
    assert len(numbers) == NUMBERS
    assert numbers[0] < 20
    assert numbers[-1] > 4980
    assert profile.values(("s",)) == [("x" * MAX_TOKEN_LENGTH, 2500)]
    assert [type(number) for number, _ in profile.values(("big",))] == [float]


@settings(max_examples=50, deadline=None)
@given(most=st.integers(1, 12), data=st.data())
def test_the_most_frequent_tokens_are_kept_and_equal_ones_by_path_and_token_in_writing(most, data):
    keys, texts = st.sampled_from(["a", "b", "a.b", "'", "\\", "é"]), st.sampled_from(["x", "y z", "z", "'", "A b"])
    documents = data.draw(st.lists(st.dictionaries(keys, texts | st.lists(texts) | st.booleans()), min_size=1))
    encoder = JSONEncoder(64)
    counted = [
        (-count, f"({path!r}, {token!r})", path, token) for path, token, count in encoder.count(documents)._counts
    ]
    expected = {}
    for negative, _, path, token in sorted(counted, key=lambda entry: entry[:2])[:most]:
        expected.setdefault(path, {})[token] = -negative
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "MAX_TOKENS", most)
        found = encoder.fit(documents).profile_.frequencies
    in_order = [[(path, list(tokens.items())) for path, tokens in kept.items()] for kept in (found, expected)]
    assert in_order[0] == in_order[1]


def carried(builder):
    """Return a builder that was sent away and came back."""
    return ProfileBuilder.from_bytes(builder.to_bytes())


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["2020-01-01", "P1D", "7", "-2.5"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(parts=st.lists(st.lists(JSON_VALUES, max_size=4), min_size=2, max_size=4))
def test_a_builder_that_was_sent_goes_on_as_if_it_had_stayed(parts):
    encoder = JSONEncoder(64, convert=("dates", "durations", "numbers"), arrays="sequence")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "SAMPLE", 2)
        patch.setattr(counting, "KEPT", 3)
        builders = [encoder.count(part) for part in parts]
        sent = [carried(builder) for builder in builders]
        stayed, moved = builders[0], sent[0]
        for one, other in zip(builders[1:], sent[1:], strict=True):
            stayed, moved = stayed.merge(one), carried(moved.merge(other))
        assert moved.to_bytes() == stayed.to_bytes()
        assert (moved.error, moved.documents, moved.settings) == (stayed.error, stayed.documents, stayed.settings)
        built, expected = moved.build(), stayed.build()
    assert json.dumps(built.to_json()) == json.dumps(expected.to_json())


def test_only_builders_of_equal_settings_are_merged():
    plain = JSONEncoder(64).count(DOCUMENTS)
    for options, differs in [
        ({"convert": ["dates"]}, "convert"),
        ({"arrays": {"tags": "sequence"}}, "arrays"),
        ({"weights": {"note": 0}}, "weights"),
    ]:
        with pytest.raises(MismatchError, match=f"counted with {differs}=.* and with {differs}="):
            carried(plain).merge(carried(JSONEncoder(64, **options).count(DOCUMENTS)))
    same = JSONEncoder(128, arrays={"$": "auto"}, weights={}, seed=3, rarity=False)
    assert plain.merge(same.count(DOCUMENTS)).documents == 6
    one, other = ({"a.b": 2.0, "c": 3.0}, {"['c']": 3.0, "$.a.b": 2.0})
    JSONEncoder(64, weights=one).count(DOCUMENTS).merge(JSONEncoder(64, weights=other).count(DOCUMENTS))


def test_bytes_that_are_no_builder_are_refused():
    data = JSONEncoder(64).count(DOCUMENTS).to_bytes()
    for position in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[position] ^= 0x10
        with pytest.raises(FileFormatError):
            ProfileBuilder.from_bytes(bytes(damaged))
    with pytest.raises(FileFormatError, match="the builder is damaged: it ends"):
        ProfileBuilder.from_bytes(data[:-1])
    with pytest.raises(FileFormatError, match="expected 'json-counts'"):
        ProfileBuilder.from_bytes(files.pack("other", {}, {}))


@pytest.mark.parametrize(
    "lie",
    [
        {"documents": -1},
        {"documents": "3"},
        {"settings": []},
        {"settings": {}},
        {"tokens": [[["name"], ["Ada"] * 20]]},
        {"tokens": [["name", []]]},
        {"tokens": [[["name"], [3]]]},
        {"tokens": 3},
        {"kinds": []},
        {"kinds": [3, 4, 5]},
        {"samples": [[["born"], "number", 3, 4, False]]},
        {"samples": [[["born"], "number", 3, 3, True]]},
        {"samples": [[["born"], "weight", 3, 3, False]]},
        {"error": None},
    ],
)
def test_a_builder_that_lies_is_refused(lie):
    data = JSONEncoder(64).count(DOCUMENTS).to_bytes()
    meta, arrays = files.unpack(data, learning.KIND)
    assert ProfileBuilder.from_bytes(files.pack(learning.KIND, meta, arrays)).documents == 3
    with pytest.raises(FileFormatError):
        ProfileBuilder.from_bytes(files.pack(learning.KIND, {**meta, **lie}, arrays))
    with pytest.raises(FileFormatError, match="counts are missing, or are none"):
        ProfileBuilder.from_bytes(files.pack(learning.KIND, meta, {**arrays, "counts": arrays["counts"] - 1}))
    infinite = {**arrays, "words": np.full(3, np.inf).view(np.int64)}
    with pytest.raises(FileFormatError, match="not finite"):
        ProfileBuilder.from_bytes(files.pack(learning.KIND, meta, infinite))
