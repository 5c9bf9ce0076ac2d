import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hdc
from hdc.apps.json import JSONEncoder
from hdc.apps.json.values.number_scale import LARGEST, Scale
from hdc.apps.json.values.numbers import NUMBER, SMOOTH, kernel, smooth_tokens, smooth_vectors
from hdc.apps.json.values.statistics import Profile
from hdc.apps.json.values.values import BANDWIDTHS, ValueOptions, Values
from hdc.errors import ParameterError

NUMBERS = st.integers(-(10**400), 10**400) | st.floats(allow_nan=False, allow_infinity=False)
FINITE = st.floats(-LARGEST, LARGEST)
KIND = SMOOTH + NUMBER


def smooth(scale=None, bandwidth=0.1):
    scales = {} if scale is None else {((), NUMBER): scale}
    return Values(Profile(1, {}, scales), ValueOptions(numbers="smooth", bandwidth=bandwidth))


@pytest.mark.parametrize("distance", [0.0, 0.3, 1.0, 2.0, 5.0])
def test_the_smooth_similarity_is_the_kernel_in_expectation(distance):
    dim, seeds = 64, 400
    dots = []
    for seed in range(seeds):
        one, other = smooth_vectors(hdc.create("MBAT", dim, seed=seed), KIND, [-0.4, distance - 0.4])
        dots.append(one @ other)
    expected = math.exp(-(distance**2) / 2)
    assert kernel(-0.4, distance - 0.4) == pytest.approx(expected)
    deviation = (1 - expected**2) / math.sqrt(dim)
    # Six standard deviations of the mean: a false alarm in 5e8 draws of the seeds.
    assert abs(np.mean(dots) - expected) <= 6 * deviation / math.sqrt(seeds) + 1e-6
    assert np.std(dots) == pytest.approx(deviation, rel=0.2, abs=1e-6)


def test_smooth_vectors_are_the_same_on_every_machine():
    vectors = smooth_vectors(hdc.create("MBAT", 6, seed=3), KIND, [0.0, 1.0])
    golden = [
        [0.0445968, 0.4756556, -0.4899835, 0.5756253, -0.3272385, 0.3053678],
        [0.5725101, 0.5764659, -0.4692930, 0.0746022, 0.0319432, 0.3362996],
    ]
    assert vectors == pytest.approx(np.array(golden), abs=1e-6)


@pytest.mark.parametrize("dim", [2, 7, 100])
def test_smooth_vectors_have_length_one(dim):
    vectors = smooth_vectors(hdc.create("MBAT", dim), KIND, np.linspace(-1e6, 1e6, 600))
    assert vectors.shape == (600, dim)
    assert vectors.dtype == np.float32
    if dim % 2 == 0:
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    else:
        assert np.mean(vectors**2, axis=0).sum() == pytest.approx(1, abs=0.1)


@settings(max_examples=50, deadline=None)
@given(sample=st.lists(FINITE, max_size=60), origin=NUMBERS, others=st.lists(NUMBERS, min_size=2, max_size=6))
@pytest.mark.parametrize("numbers", ["grid", "smooth"])
def test_what_is_shared_never_rises_with_distance(numbers, sample, origin, others):
    scales = {((), NUMBER): Scale.learn(sample)} if sample else {}
    values = Values(Profile(9, {}, scales), ValueOptions(numbers=numbers))
    for side in (sorted(x for x in others if x >= origin), sorted((x for x in others if x <= origin), reverse=True)):
        shared = [values.shared((), origin, other) for other in side]
        assert all(near >= far - 1e-12 for near, far in itertools.pairwise(shared))


@pytest.mark.parametrize("numbers", ["grid", "smooth"])
@pytest.mark.parametrize("pair", [(100, 100), (100, 101), (100, 130), (100, 10**6), (0.001, -3)])
def test_vectors_are_as_similar_as_what_their_values_share(numbers, pair):
    dim, seeds = 512, 30
    values = Values(Profile(), ValueOptions(numbers=numbers))
    dots = []
    for seed in range(seeds):
        vsa = hdc.create("MBAT", dim, seed=seed)
        one, other = (
            np.array(list(tokens.values())) @ values.vectors(vsa, list(tokens))
            for tokens in (values.tokens((), number) for number in pair)
        )
        dots.append(one @ other)
    assert np.mean(dots) == pytest.approx(values.shared((), *pair), abs=6 / math.sqrt(dim * seeds))


def test_smooth_vectors_of_documents_fall_with_distance():
    encoder = JSONEncoder(4096, numbers="smooth", bandwidth=0.2).fit([{"year": year} for year in range(1900, 2001)])
    first, *others = encoder.transform([{"year": year} for year in (1950, 1955, 1960, 1970, 1990)])
    similarities = [float(first @ other) for other in others]
    assert similarities == sorted(similarities, reverse=True)
    assert similarities[0] > 0.75
    assert similarities[-1] < 0.2


def test_the_bandwidth_is_the_width_of_the_kernel():
    uniform = Scale.learn([float(x) for x in range(1001)])
    for bandwidth in (0.05, 0.2):
        values = smooth(uniform, bandwidth)
        whole = values.shared((), 300, 300)
        distance = 300 + 1000 * bandwidth
        assert values.shared((), 300, distance) / whole == pytest.approx(0.9 * math.exp(-0.5), abs=0.01)


@pytest.mark.parametrize("bandwidth", BANDWIDTHS)
@pytest.mark.parametrize("number", [0, -1e308, 10**4000, 5e-324])
def test_extreme_numbers_have_finite_vectors(bandwidth, number):
    for scale in (None, Scale.learn([1.0, 2.0])):
        values = smooth(scale, bandwidth)
        tokens = values.tokens((), number)
        assert np.isfinite(values.vectors(hdc.create("MBAT", 64), list(tokens))).all()
        assert values.shared((), number, number) == pytest.approx(sum(w * w for w in tokens.values()))


def test_numbers_that_count_different_things_share_nothing():
    vsa = hdc.create("MBAT", 4096)
    number, date = (smooth_vectors(vsa, SMOOTH + kind, [0.5])[0] for kind in ("number", "date"))
    assert abs(number @ date) < 0.1
    assert not smooth_tokens("number", 3, 0.5, 0.1).keys() & smooth_tokens("date", 3, 0.5, 0.1).keys()
    for numbers in ("grid", "smooth"):
        values = Values(Profile(), ValueOptions(numbers=numbers, convert=("dates", "durations", "numbers")))
        unlike = ["1970-01-01", "PT0S", "0", 0]
        shared = {(one, other): values.shared((), one, other) for one in unlike for other in unlike if one != other}
        assert {pair for pair, weight in shared.items() if weight} == {("0", 0), (0, "0")}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"numbers": "exact"}, "numbers must be one of grid, smooth, not 'exact'"),
        ({"bandwidth": 0}, "bandwidth must be a number from 1e-06 to 1e"),
        ({"bandwidth": math.nan}, "bandwidth must be a number"),
        ({"bandwidth": True}, "bandwidth must be a number"),
        ({"bandwidth": "wide"}, "bandwidth must be a number"),
        ({"rarity": 1}, "rarity must be True or False, not 1"),
    ],
)
def test_bad_options_are_told(parameters, message):
    with pytest.raises(ParameterError, match=message):
        JSONEncoder(64, **parameters).check()


def test_rarity_can_be_left_out():
    documents = [{"kind": "common", "n": n} for n in range(20)] + [{"kind": "rare", "n": 20}]
    weighed, alike = JSONEncoder(64).fit(documents), JSONEncoder(64, rarity=False).fit(documents)
    for kind, less in (("common", True), ("rare", False)):
        assert (weighed.values.shared(("kind",), kind, kind) < 1) is less
        assert alike.values.shared(("kind",), kind, kind) == pytest.approx(1)
    assert alike.values.shared(("n",), 3, 3) == pytest.approx(1)
    assert alike.values.shared(("n",), 3, 4) > alike.values.shared(("n",), 3, 15)
