import itertools
import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdc.apps.json import JSONEncoder
from hdc.apps.json.document.constant import Constant
from hdc.apps.json.document.leaves import LeafTable, Walk
from hdc.apps.json.document.paths import show_path
from hdc.apps.json.document.rules import Layout
from hdc.apps.json.reading import MAX_DEPTH
from hdc.apps.json.values.number_scale import LARGEST, Scale
from hdc.apps.json.values.numbers import decades
from hdc.apps.json.values.statistics import Profile
from hdc.apps.json.values.strings import MAX_WORDS
from hdc.apps.json.values.values import Values
from hdc.errors import ParameterError

NUMBERS = st.integers(-(10**400), 10**400) | st.floats(allow_nan=False, allow_infinity=False)
FINITE = st.floats(-LARGEST, LARGEST)
UNFITTED = Values(Profile())


def leaves(document, arrays="auto"):
    table, found = LeafTable(Layout.of(arrays)), Walk()
    table.walk(document, found)
    return {(show_path(table.nodes[n].path()), table.values[n]) for n in found.leaves}


def overlap(one, other):
    return sum(weight * other[token] for token, weight in one.items() if token in other)


DOCUMENT = {"a": {"b": [{"c": "x"}, {"c": "y", "d e": None}]}, "n": [1, 2.5], "e": {}, "l": [], "t": True, "one": [1]}


def test_leaves_of_a_document():
    common = {("e", Constant.EMPTY_OBJECT), ("l", Constant.EMPTY_ARRAY), ("t", Constant.TRUE)}
    bag = {("a.b[].c", "x"), ("a.b[].c", "y"), ("a.b[]['d e']", None)}
    sequence = {("a.b[0].c", "x"), ("a.b[1].c", "y"), ("a.b[1]['d e']", None)}
    number_bag, number_sequence = {("n[]", 1), ("n[]", 2.5), ("one[]", 1)}, {("n[0]", 1), ("n[1]", 2.5), ("one[0]", 1)}
    assert leaves(DOCUMENT, "auto") == common | bag | number_sequence
    assert leaves(DOCUMENT, "bag") == common | bag | number_bag
    assert leaves(DOCUMENT, "sequence") == common | sequence | number_sequence
    assert leaves(DOCUMENT, "both") == common | bag | sequence | number_bag | number_sequence


def test_booleans_are_no_numbers():
    assert leaves([True, 2]) == {("[]", Constant.TRUE), ("[]", 2)}
    assert len(leaves([True, 1, 1.0, "1", None, False, 0, "true", "null", {}, "{}"])) == 10


def test_the_root_is_a_leaf():
    assert leaves("x") == {("$", "x")}
    assert leaves({}) == {("$", Constant.EMPTY_OBJECT)}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"a": [{"b": math.nan}]}, r"a\[\]\.b: nan is no JSON value"),
        ({"a": math.inf}, "a: inf is no JSON value"),
        ({"a": {1, 2}}, "a: a set is no JSON value"),
        ({"a": {1: 2}}, "a: a key must be a string, not 1"),
        ({None: 2}, "a key must be a string, not None"),
        (b"bytes", "a bytes is no JSON value"),
    ],
)
def test_what_is_no_json_is_named(document, message):
    with pytest.raises(ParameterError, match=message):
        LeafTable(Layout.of()).walk(document, Walk())


def test_depth_is_limited():
    nested = "x"
    for _ in range(MAX_DEPTH):
        nested = {"a": nested}
    assert len(leaves(nested)) == 1
    for container in ({"a": nested}, [nested]):
        with pytest.raises(ParameterError, match="nested deeper than 256 levels"):
            LeafTable(Layout.of()).walk(container, Walk())


@given(NUMBERS | st.text() | st.booleans() | st.none())
def test_the_squared_weights_of_a_value_sum_to_one(value):
    (node_value,) = (value for _, value in leaves(value))
    tokens = UNFITTED.tokens((), node_value)
    assert sum(weight * weight for weight in tokens.values()) == pytest.approx(1)


def test_words_of_strings():
    tokens = UNFITTED.tokens((), "deleteMessage_v2 Straße")
    assert set(tokens) == {
        ("=", "deleteMessage_v2 Straße"),
        *(("~", word) for word in ("delete", "message", "v2", "strasse")),
    }
    assert UNFITTED.tokens((), "!?") == {("=", "!?"): 1.0}
    assert len(UNFITTED.tokens((), " ".join(map(str, range(5000))))) == MAX_WORDS + 1


def test_types_share_nothing():
    unlike = [1, "1", Constant.TRUE, None, "true", "null", Constant.EMPTY_OBJECT, "{}", Constant.EMPTY_ARRAY, "0x1"]
    for i, one in enumerate(unlike):
        for other in unlike[:i]:
            assert overlap(UNFITTED.tokens((), one), UNFITTED.tokens((), other)) == 0


@pytest.mark.parametrize("number", [0, -3, 10**15, 2**80, 10**300])
def test_equal_numbers_are_one_number_whatever_their_type(number):
    assert UNFITTED.tokens((), number) == UNFITTED.tokens((), float(number)) or int(float(number)) != number
    assert overlap(UNFITTED.tokens((), number), UNFITTED.tokens((), number)) == pytest.approx(1)


def test_huge_integers_differ_although_their_floats_do_not():
    assert 0.8 < overlap(UNFITTED.tokens((), 2**70), UNFITTED.tokens((), 2**70 + 1)) < 0.95
    assert 0 < overlap(UNFITTED.tokens((), 10**400), UNFITTED.tokens((), 10**400 + 1)) < 0.95
    assert overlap(UNFITTED.tokens((), 10**400), UNFITTED.tokens((), -(10**400))) == 0


@given(NUMBERS, st.lists(NUMBERS, min_size=2, max_size=6))
def test_unfitted_similarity_never_rises_with_distance(origin, others):
    check_monotone(UNFITTED, origin, others)


@given(st.lists(FINITE, min_size=1, max_size=200), FINITE, st.lists(FINITE, min_size=2, max_size=6))
def test_fitted_similarity_never_rises_with_distance(sample, origin, others):
    check_monotone(Values(Profile(1, {}, {((), "number"): Scale.learn(sample)})), origin, others)


def check_monotone(values, origin, others):
    tokens = values.tokens((), origin)
    for side in (sorted(x for x in others if x >= origin), sorted((x for x in others if x <= origin), reverse=True)):
        similarities = [overlap(tokens, values.tokens((), other)) for other in side]
        assert all(near >= far - 1e-12 for near, far in itertools.pairwise(similarities))


def test_near_numbers_are_more_similar_on_every_size():
    for unit in (1, 1000, 10**9):
        base = UNFITTED.tokens((), 20 * unit)
        near, middle, far = (overlap(base, UNFITTED.tokens((), x * unit)) for x in (21, 30, 2000))
        assert near > middle > far


def test_a_fitted_path_is_soft_on_its_own_scale():
    years = Scale.learn([float(year) for year in range(1950, 2020)])
    fitted, unfitted = Values(Profile(70, {}, {((), "number"): years})), UNFITTED
    near, far = (overlap(fitted.tokens((), 1970), fitted.tokens((), x)) for x in (1972, 2010))
    assert near > 3 * far
    assert overlap(unfitted.tokens((), 1970), unfitted.tokens((), 2010)) > 2 * far


@given(st.lists(FINITE, min_size=1, max_size=50), st.lists(NUMBERS, min_size=2, max_size=10))
def test_positions_rise_with_numbers(sample, numbers):
    scale = Scale.learn(sample)
    positions = [scale.position(number) for number in sorted(numbers)]
    assert positions == sorted(positions)
    assert all(map(math.isfinite, positions))


@given(NUMBERS, NUMBERS)
def test_decades_rise_with_numbers(one, other):
    assert (decades(one) <= decades(other)) or one > other


def test_a_constant_number_weighs_little():
    weights = []
    for sample in ([200.0] * 50, [200.0] * 25 + [404.0] * 25, list(map(float, range(50)))):
        tokens = Values(Profile(50, {}, {((), "number"): Scale.learn(sample)})).tokens((), 200)
        weights.append(sum(weight * weight for weight in tokens.values()))
    assert weights[0] == pytest.approx(0.01)
    assert weights[0] < weights[1] < weights[2]


def test_a_scale_spans_all_numbers():
    assert Scale.learn([-sys.float_info.max, sys.float_info.max]).position(0.0) == pytest.approx(0.5)


def test_a_scale_of_subnormal_numbers():
    least = math.ulp(0.0)
    scale = Scale.learn([0.0, least, 2 * least])
    assert scale.position(0.0) < scale.position(least) < scale.position(2 * least) < scale.position(1.0)


TEXTS = st.lists(st.sampled_from(["red", "Red", "shoes", "été", "aB", "2", "-", "2018-02-06", "12"]), max_size=6)
CORPUS = [{"t": text, "n": number} for number, text in enumerate(["red shoes", "shoes", "red", "aB 2", "2018-02-06"])]


@given(
    TEXTS.map(" ".join) | NUMBERS | st.none(),
    st.sampled_from([None, {"ngrams": 1.0}, {"words": 0.0}, {"exact": 0.0, "ngrams": 2.0}]),
    st.sampled_from([(), ("dates", "numbers")]),
    st.booleans(),
)
def test_what_is_held_is_what_is_asked_for(value, strings, convert, fitted):
    encoder = JSONEncoder(64, strings=strings, convert=convert)
    values = (encoder.fit(CORPUS) if fitted else encoder).values
    held, parts = values.held(("t",), value), values.parts(("t",), value)
    assert held.terms == [(term.kind, *term.contents) for term in parts.terms]
    assert (held.number, held.whole) == (parts.number, parts.whole)
