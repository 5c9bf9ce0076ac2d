import json
import pickle
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.apps.json import JSONEncoder
from hdc.apps.json.document.constant import Constant
from hdc.apps.json.values import learning
from hdc.apps.json.values import sketches as counting
from hdc.apps.json.values.learning import MAX_TOKEN_LENGTH, NUMBERS
from hdc.apps.json.values.sketches import Counts, Sample, Samples
from hdc.apps.json.values.statistics import Profile

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
