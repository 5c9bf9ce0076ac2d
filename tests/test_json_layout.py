"""Arrays, weights and balance, held against one document at a time, dense and recursive."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.json.document.paths import parse_path
from hdc.apps.json.document.rules import MODES, Layout, overlap, steps
from hdc.apps.json.document.structure import leaf_value
from hdc.apps.json.index.matcher import Matcher
from hdc.apps.json.values.statistics import Profile
from hdc.apps.json.values.values import Values
from hdc.errors import ParameterError

SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text("ab C", max_size=5)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3)
)
PATHS = st.sampled_from(["", "x", "x.y", "x[]", "y[].z", "[]", "[][]"])
ARRAYS = st.sampled_from(MODES) | st.dictionaries(PATHS, st.sampled_from(MODES), max_size=3)
WEIGHTS = st.none() | st.dictionaries(PATHS, st.sampled_from([0, 0.5, 1, 3]), max_size=3)


# ---------------------------------------------------------------------- oracle


def rule(rules, path, default):
    """Return the value of the longest rule that is a prefix of the path; ``[]`` in a rule is any item."""
    best, length = default, -1
    for text, value in (rules or {}).items():
        steps_of_rule = parse_path(text)
        fits = len(steps_of_rule) <= len(path) and all(
            asked == step or (asked is None and isinstance(step, int))
            for asked, step in zip(steps_of_rule, path, strict=False)
        )
        if fits and len(steps_of_rule) > length:
            best, length = value, len(steps_of_rule)
    return best


def placed(items, mode):
    """Yield what binds each item, its share of the weight, and the item."""
    numbers = all(isinstance(item, int | float) and not isinstance(item, bool) for item in items)
    for i, item in enumerate(items):
        if mode == "bag" or (mode == "auto" and not numbers):
            yield None, 1, item
        elif mode in ("sequence", "auto"):
            yield i, 1, item
        elif mode == "both":
            yield None, math.sqrt(1 / 2), item
            yield i, math.sqrt(1 / 2), item
        else:
            for j in range(3):
                yield i + j, math.sqrt(1 / 3), item


def leaves_of(value, arrays, path=(), share=1.0):
    """Yield path, value and share of each leaf, repeats included."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves_of(item, arrays, (*path, key), share)
    elif isinstance(value, list) and value:
        for step, part, item in placed(value, rule(arrays, path, "auto")):
            yield from leaves_of(item, arrays, (*path, step), share * part)
    else:
        yield path, leaf_value(value), share


def damp(leaves, depth, balance):
    """Divide, from below, what stands under each path by the square root of its mass, to the power of balance."""
    deeper = sorted((leaf for leaf in leaves if len(leaf["path"]) > depth), key=lambda leaf: repr(leaf["path"][depth]))
    for _, group in itertools.groupby(deeper, key=lambda leaf: repr(leaf["path"][depth])):
        under = list(group)
        damp(under, depth + 1, balance)
        mass = sum(leaf["weight"] ** 2 * leaf["mass"] for leaf in under)
        for leaf in under:
            leaf["weight"] /= math.sqrt(mass) ** balance


def operator(vsa, step):
    if step is None:
        return vsa.role(("item",))
    return vsa.role(("key", step)) if isinstance(step, str) else vsa.role(("position",)) ** (step + 1)


def oracle(encoder, document):
    """Return the vector of a document: every leaf apart, bound step by step."""
    arrays = encoder.arrays if isinstance(encoder.arrays, dict) else {"": encoder.arrays}
    distinct = {(path, value): share for path, value, share in leaves_of(document, arrays)}
    leaves = []
    for (path, value), share in distinct.items():
        if rule(encoder.weights, path, 1):
            tokens = encoder.values.tokens(path, value)
            mass = sum(weight * weight for weight in tokens.values())
            leaves.append({"path": path, "tokens": tokens, "weight": share, "mass": mass})
    damp(leaves, 0, encoder.balance)
    total, mass, vsa = np.zeros(encoder.dim), 0.0, encoder.vsa
    for leaf in leaves:
        leaf["weight"] *= rule(encoder.weights, leaf["path"], 1)
        vector = sum(weight * vsa.symbol(token) for token, weight in leaf["tokens"].items())
        for step in reversed(leaf["path"]):
            vector = vsa.bind(operator(vsa, step), vector)
        total += leaf["weight"] * vector
        mass += leaf["weight"] ** 2 * leaf["mass"]
    return total / math.sqrt(mass) if mass else total


# ---------------------------------------------------------------------- vectors


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=4), ARRAYS, WEIGHTS, st.sampled_from([0.0, 0.5, 1.0]), st.booleans())
def test_a_batch_is_each_document_by_the_book(documents, arrays, weights, balance, fitted):
    encoder = JSONEncoder(32, arrays=arrays, weights=weights, balance=balance)
    vectors = encoder.fit_transform(documents) if fitted else encoder.transform(documents)
    expected = np.stack([oracle(encoder, document) for document in documents])
    assert vectors == pytest.approx(expected, abs=2e-5)


def test_a_rule_for_one_position():
    encoder = JSONEncoder(2048, weights={"at[]": 0.5, "at[0]": 3, "at[3]": 0})
    leaves, vectors = encoder.leaf_vectors({"at": [4, 50, 600, 7000]})
    assert leaves == [(("at", 0), 4), (("at", 1), 50), (("at", 2), 600)]
    norms = np.linalg.norm(vectors, axis=1)
    assert norms / norms[1] == pytest.approx([6, 1, 1], rel=0.15)


def test_a_removed_path_is_as_if_it_were_not_there():
    encoder = JSONEncoder(64, weights={"a": 0, "a.kept": 2})
    removed, absent = encoder.transform([{"a": {"x": 1, "y": ["z"], "kept": 5}, "b": 2}, {"a": {"kept": 5}, "b": 2}])
    assert np.array_equal(removed, absent)
    assert not encoder.transform([{"a": 1}, 7])[0].any()
    assert not JSONEncoder(64, weights={"": 0}).transform([{"a": 1}, []]).any()


def test_an_item_that_moves_matches_less_and_less():
    encoder, items = JSONEncoder(16384, arrays="soft"), ["p", "q", "r", "s", "t"]
    vectors = encoder.transform([{"l": [*items[:place], "!", *items[place:]]} for place in range(6)])
    shares = vectors @ encoder.transform([{"l": ["!"]}])[0] * math.sqrt(6)
    assert shares == pytest.approx([1, 2 / 3, 1 / 3, 0, 0, 0], abs=0.06)


@pytest.mark.parametrize("mode", ["soft", "both"])
def test_overlap_is_the_dot_product_of_what_binds(mode):
    for one, other in itertools.product(range(7), repeat=2):
        there = dict(steps(other, mode))
        assert overlap(one, other, mode) == pytest.approx(sum(w * there.get(step, 0) for step, w in steps(one, mode)))
    assert sum(weight * weight for _, weight in steps(3, mode)) == pytest.approx(1)


def test_an_item_bound_in_several_ways_is_one_leaf():
    document = {"l": ["x", "y", {"n": [1, 1.0, 2]}], "s": "x"}
    once = {
        (("l", None), "x"),
        (("l", None), "y"),
        (("l", None, "n", None), 1),
        (("l", None, "n", None), 2),
        (("s",), "x"),
    }
    for mode in ("soft", "both"):
        encoder = JSONEncoder(256, arrays=mode)
        leaves, vectors = encoder.leaf_vectors(document)
        assert len(leaves) == len(once)
        assert set(leaves) == once
        assert vectors.sum(axis=0) == pytest.approx(encoder.transform([document])[0], abs=1e-6)


# ---------------------------------------------------------------------- matching


def scores(query, documents, **parameters):
    encoder = JSONEncoder(512, **parameters)
    return [Matcher(query, encoder.values, encoder.layout).score(document) for document in documents]


def test_coverage_of_a_moved_item_falls_as_its_vector_does():
    documents = [["x"], ["a", "x"], ["a", "b", "x"], ["a", "b", "c", "x"]]
    assert scores(["x"], documents, arrays="soft") == pytest.approx([1, 2 / 3, 1 / 3, 0])
    assert scores(["x"], documents, arrays="both") == pytest.approx([1, 1 / 2, 1 / 2, 1 / 2])
    assert scores(["x"], documents, arrays="sequence") == [1, 0, 0, 0]
    assert scores(["x"], documents, arrays="bag") == [1, 1, 1, 1]
    nested = [[["y"], ["x"]], [["y"], ["a", "x"]]]
    assert scores([["x"]], nested, arrays="soft") == pytest.approx([2 / 3, 4 / 9])


def test_an_object_in_a_soft_array_is_found_as_a_whole():
    query = [{"name": "a", "size": 1}]
    documents = [[{"name": "a", "size": 900}, {"name": "a", "size": 1}], [{"name": "a"}, {"size": 1}]]
    whole, parts = scores(query, documents, arrays="soft")
    assert whole == pytest.approx(2 / 3)
    assert parts == pytest.approx(1 / 2)


def test_arrays_of_different_paths_are_bound_differently():
    arrays = {"route": "sequence", "tags": "bag", "": "soft"}
    documents = [{"route": ["b", "a"]}, {"tags": ["b", "a"]}, {"other": ["b", "a"]}]
    queries = [{"route": ["a", "b"]}, {"tags": ["a", "b"]}, {"other": ["a", "b"]}]
    found = [scores(query, [document], arrays=arrays)[0] for query, document in zip(queries, documents, strict=True)]
    assert found == pytest.approx([0, 1, 2 / 3])


def test_weights_count_in_queries():
    query, documents = {"a": "x", "b": "y"}, [{"a": "x"}, {"b": "y"}]
    assert scores(query, documents) == pytest.approx([1 / 2, 1 / 2])
    assert scores(query, documents, weights={"b": 3}) == pytest.approx([1 / 10, 9 / 10])
    assert scores(query, documents, weights={"b": 0}) == pytest.approx([1, 0])
    encoder = JSONEncoder(512, weights={"b": 0})
    index = JSONIndex(encoder).add(documents)
    (reason,) = index.explain(query, index.search(query)[0])
    assert (reason.path, reason.share) == ("a", pytest.approx(1))
    with pytest.raises(ParameterError, match="asks for nothing that weighs anything"):
        index.search({"b": "y"})


@settings(max_examples=60, deadline=None)
@given(ARRAYS, WEIGHTS, VALUES, VALUES)
def test_shares_sum_to_the_score(arrays, weights, query, document):
    layout = Layout.of(arrays, weights)
    try:
        matcher = Matcher(query, Values(Profile()), layout)
    except ParameterError:
        assert all(not layout.weights[path] for path, _, _ in leaves_of(query, {"": "bag"}))
        return
    assert matcher.score(query) == pytest.approx(1)
    assert -1e-9 <= matcher.score(document) <= 1 + 1e-9
    reasons = matcher.reasons(document)
    assert len(reasons) == matcher.leaves
    assert sum(reason.share for _, reason in reasons) == pytest.approx(matcher.score(document))


# ---------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"arrays": "set"}, r"arrays must be one of auto, bag, sequence, soft, both, not 'set'"),
        ({"arrays": {"tags": "set"}}, r"arrays\['tags'\] must be one of"),
        ({"arrays": {"tags[": "bag"}}, r"'tags\[' is no path"),
        ({"arrays": {"": "bag", "$": "soft"}}, r"two rules for \$; give one"),
        ({"weights": 3}, r"weights must be a mapping, such as a dict, not 3"),
        ({"weights": {"a": -1}}, r"weights\['a'\] must be a number from 0 to 1e\+06, not -1"),
        ({"weights": {"a": math.nan}}, r"weights\['a'\] must be a number from 0"),
        ({"weights": {"a": True}}, r"weights\['a'\] must be a number from 0"),
        ({"weights": {"l[2]": 0}, "arrays": "soft"}, r"a rule for l\[2\] cannot hold: the items of l have no position"),
        ({"arrays": {"l": "bag", "l[0].m": "soft"}}, r"a rule for l\[0\]\.m cannot hold"),
    ],
)
def test_what_cannot_hold_is_refused(parameters, message):
    with pytest.raises(ParameterError, match=message):
        JSONEncoder(64, **parameters).transform([{}])
