"""Clean-up by every rule, sparse distributed memories and decoded bundles, against plain oracles and formulas."""

import math

import numpy as np
import pytest

import hdc
from hdc import decoding, errors
from hdc.cleanup import softmax_error
from hdc.distributed import activation, reach
from hdc.words import unpack
from tests.models import BACKENDS, NO_TORCH, host, make

LINEAR = ("MAP-I", "MAP-I-float32", "FHRR", "HRR", "MBAT-permutation", "CountingBloom-shift")


def memory_of(vsa, size):
    return hdc.ItemMemory(vsa, range(size))


def noisy(vsa, memory, index, seed=5):
    """Return an item and two strangers in one bundle."""
    return vsa.bundle(vsa.xp.stack([memory[index], *vsa.random(2, seed=seed)]))


# ---------------------------------------------------------------------- rules


@pytest.mark.parametrize("family", ["MAP-B", "MAP-I", "FHRR", "HRR", "MCR", "CGR", "MBAT-permutation"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_nearest_and_softmax_clean_up(family, backend):
    vsa = make(family, 600, backend)
    memory = memory_of(vsa, 20)
    queries = vsa.xp.stack([noisy(vsa, memory, 3), noisy(vsa, memory, 11)])
    assert np.array_equal(host(hdc.Cleanup(memory, "nearest").recall(queries)), host(memory.vectors)[[3, 11]])
    soft = hdc.Cleanup(memory, beta=60.0)
    recalled = soft.recall(queries)
    assert recalled.shape == queries.shape
    assert host(vsa.similarity(recalled, memory.vectors)).argmax(axis=1).tolist() == [3, 11]
    assert host(vsa.similarity(recalled[0], memory[3])) > 0.999
    np.testing.assert_allclose(host(soft.weights(queries)).sum(axis=-1), 1, rtol=1e-5)


@pytest.mark.parametrize("family", ["FHRR", "HRR", "MAP-I-float32"])
def test_softmax_is_attention(family):
    """``softmax(beta cosines) @ items``, written out."""
    vsa = make(family, 80)
    memory = memory_of(vsa, 15)
    queries = np.stack([noisy(vsa, memory, i) for i in range(6)]).reshape(2, 3, -1)
    items = memory.vectors.astype(np.float64)
    q = queries.astype(np.float64)
    cosines = (q @ items.T) / np.linalg.norm(q, axis=-1)[..., None] / np.linalg.norm(items, axis=-1)
    shares = np.exp(7.0 * cosines)
    shares /= shares.sum(axis=-1, keepdims=True)
    soft = hdc.Cleanup(memory, beta=7.0)
    np.testing.assert_allclose(soft.weights(queries), shares, rtol=1e-4)
    np.testing.assert_allclose(soft.recall(queries), shares @ items, atol=1e-5)
    twice = soft.recall(soft.recall(queries))
    np.testing.assert_allclose(soft.recall(queries, steps=2), twice, atol=1e-5)


def test_near_duplicates_are_averaged():
    """What is as near to all of a cluster is brought to its mean; a member stays itself where beta is large enough."""
    vsa = hdc.create("MAP-I", 1000, precision="float32")
    center = vsa.random(1, seed=0)[0]
    generator = np.random.default_rng(0)
    cluster = np.where(generator.random((5, 1000)) < 0.05, -center, center).astype(np.float32)
    memory = hdc.ItemMemory(vsa)
    memory.add(range(5), cluster)
    memory.add(range(5, 105), vsa.random(100, seed=1))
    recalled = hdc.Cleanup(memory, beta=20.0).recall(center)
    mean = cluster.mean(axis=0)
    assert vsa.similarity(recalled, mean) > 0.98
    assert vsa.similarity(hdc.Cleanup(memory, beta=1000.0).recall(cluster[0]), cluster[0]) > 0.9999


def energy_rule(items, state, energy):
    """One sweep over a state, each component given its best value with the others as they were."""
    out = []
    for i in range(len(state)):
        up, down = state.copy(), state.copy()
        up[i], down[i] = 1, -1
        out.append(sum(energy(int(x @ up)) - energy(int(x @ down)) for x in items))
    return np.array(out, dtype=object)


@pytest.mark.parametrize("family", ["MAP-I", "MAP-B"])
@pytest.mark.parametrize(
    ("rule", "degree"), [("polynomial", 2), ("polynomial", 3), ("polynomial", 4), ("exponential", 2)]
)
def test_dense_rules_lower_the_energy(family, rule, degree):
    vsa = make(family, 24)
    memory = memory_of(vsa, 6)
    states = vsa.random(5, seed=3)
    items, signs = (
        np.asarray(make("MAP-I", 24).to_numpy(x), np.int64)
        for x in (
            (memory.vectors, states)
            if family == "MAP-I"
            else [(1 - 2 * unpack(x, 24).astype(np.int8)) for x in (memory.vectors, states)]
        )
    )
    found = hdc.Cleanup(memory, rule, degree=degree).recall(states)
    got = found if family == "MAP-I" else 1 - 2 * unpack(found, 24).astype(np.int8)
    for state, answer in zip(signs, got, strict=True):
        change = energy_rule(items, state, (lambda z: z**degree) if rule == "polynomial" else math.exp)
        clear = np.array([abs(c) > 1e-9 * max(abs(change)) for c in change])
        assert clear.mean() > 0.5
        assert np.array_equal(answer[clear], np.sign(change[clear].astype(float)))


def test_dense_rules_hold_more_than_hopfield():
    """100 bits, a tenth flipped: 100 words are too many for degree 2, few for degree 3 (by formula 11 and 362)."""
    vsa = hdc.create("MAP-B", 100)
    memory = memory_of(vsa, 100)
    queries = vsa.bind(vsa.kernels.bits.pack(np.random.default_rng(0).random((100, 100)) < 0.1), memory.vectors)
    share = [
        float(
            np.mean(
                np.diagonal(
                    vsa.similarity(hdc.Cleanup(memory, "polynomial", degree=n).recall(queries, 2), memory.vectors)
                )
            )
        )
        for n in (2, 3)
    ]
    assert share[0] < 0.9
    assert share[1] > 0.999


def test_softmax_error_of_the_formula():
    """Weights of wrong items against ``r / (1 + r)``, for queries of cosine ``1 / sqrt(2)``."""
    vsa = hdc.create("HRR", 512)
    memory = memory_of(vsa, 2000)
    strangers = vsa.random(100, seed=9)
    queries = memory.vectors[:100] + strangers
    beta = 16.0
    cosines = np.diagonal(vsa.similarity(queries, memory.vectors[:100]))
    wrong = 1 - np.diagonal(hdc.Cleanup(memory, beta=beta).weights(queries)[:, :100])
    expected = np.mean([softmax_error(2000, 512, beta, float(c)) for c in cosines])
    assert 0.005 < expected < 0.1
    assert np.mean(wrong) == pytest.approx(expected, rel=0.15)
    assert softmax_error(10, 100, 0.0) == pytest.approx(10 / 11)
    assert softmax_error(10, 10_000, 2000.0) == 0.0


@pytest.mark.skipif(bool(NO_TORCH), reason=NO_TORCH)
def test_gradients_flow_through_the_softmax():
    import torch

    vsa = make("FHRR", 50, "torch")
    memory = memory_of(vsa, 6)
    query = noisy(vsa, memory, 2).requires_grad_()
    torch.sum(hdc.Cleanup(memory, beta=3.0).recall(query) ** 2).backward()
    assert bool(torch.any(query.grad != 0))


def test_cleanup_errors():
    vsa = hdc.create("HRR", 64)
    memory = memory_of(vsa, 3)
    with pytest.raises(errors.ParameterError, match="rule must be one of"):
        hdc.Cleanup(memory, "closest")
    with pytest.raises(errors.UnsupportedError, match="'exponential' is for vectors of signs, and HRR"):
        hdc.Cleanup(memory, "exponential")
    with pytest.raises(errors.ParameterError, match="beta must be a number of at least 0"):
        hdc.Cleanup(memory, beta=-1.0)
    with pytest.raises(errors.ParameterError, match="empty"):
        hdc.Cleanup(hdc.ItemMemory(vsa)).recall(vsa.symbol("a"))
    with pytest.raises(errors.UnsupportedError, match="only the rule 'softmax'"):
        hdc.Cleanup(memory, "nearest").weights(vsa.symbol("a"))


# ---------------------------------------------------------------------- sparse distributed memory


def naive_memory(addresses, radius, keys, words):
    counters = np.zeros_like(addresses, dtype=np.int64)
    for key, word in zip(keys, words, strict=True):
        for place, address in enumerate(addresses):
            if np.sum(key != address) <= radius:
                counters[place] += 1 - 2 * word.astype(np.int64)
    return counters


@pytest.mark.parametrize("backend", BACKENDS)
def test_distributed_memory_is_the_definition(backend):
    vsa = make("MAP-B", 70, backend)
    memory = hdc.SparseDistributedMemory(vsa, 60, radius=29, seed=4)
    words, keys = vsa.random(9, seed=1), vsa.random(9, seed=2)
    memory.write(words[:4], keys[:4])
    memory.write(words[4:], keys[4:])
    memory.write(words[:2])
    bits = [unpack(host(vsa.to_numpy(x)), 70) for x in (memory.addresses, keys, words)]
    expected = naive_memory(bits[0], 29, [*bits[1], *bits[2][:2]], [*bits[2], *bits[2][:2]])
    assert np.array_equal(host(memory.counters), expected)
    assert len(memory) == 11
    queries = vsa.random(6, seed=7).reshape(2, 3, -1)
    reached = np.array(
        [[np.sum(q != a) <= 29 for a in bits[0]] for q in unpack(host(vsa.to_numpy(queries)), 70).reshape(6, 70)]
    )
    assert np.array_equal(host(memory.sums(queries)).reshape(6, 70), reached @ expected)
    assert host(memory.activated(queries)).ravel().tolist() == reached.sum(axis=1).tolist()
    read = unpack(host(vsa.to_numpy(memory.read(queries))), 70).reshape(6, 70)
    sums = reached @ expected
    assert np.array_equal(read[sums != 0], sums[sums != 0] < 0)
    assert memory.read(queries).shape == queries.shape


def test_blocks_of_addresses(monkeypatch):
    vsa = hdc.create("MAP-B", 128)
    words = vsa.random(40, seed=0)
    whole = hdc.SparseDistributedMemory(vsa, 300, words=40)
    whole.write(words)
    monkeypatch.setattr("hdc.distributed.PAIRS", 1000)
    parts = hdc.SparseDistributedMemory(vsa, 300, words=40)
    parts.write(words)
    assert np.array_equal(parts.counters, whole.counters)
    assert np.array_equal(parts.sums(words), whole.sums(words))


def test_stored_words_come_back():
    vsa = hdc.create("MAP-B", 256)
    memory = hdc.SparseDistributedMemory(vsa, 4000, words=50)
    words = vsa.random(50, seed=1)
    memory.write(words)
    flips = np.random.default_rng(0).random((50, 256)) < 20 / 256
    read = memory.read(vsa.bind(vsa.kernels.bits.pack(flips), words))
    assert np.diagonal(vsa.similarity(read, words)).mean() > 0.99


def test_radius_follows_from_the_words():
    shares = activation(256)
    exact = [sum(math.comb(256, i) for i in range(r + 1)) / 2**256 for r in (90, 110, 128, 256)]
    np.testing.assert_allclose(shares[[90, 110, 128, 256]], exact, rtol=1e-9)
    memory = hdc.SparseDistributedMemory(hdc.create("MAP-B", 256), 500, words=200)
    best = (2 * 500 * 200) ** (-1 / 3)
    assert memory.radius == reach(256, best)
    assert shares[memory.radius] / best < 1.6
    assert best / shares[memory.radius] < 1.6
    keys = hdc.create("MAP-B", 256).random(400, seed=3)
    expected = 500 * shares[memory.radius]
    deviation = math.sqrt(expected / 400)
    assert abs(memory.activated(keys).mean() - expected) < 6 * 3 * deviation  # addresses are shared: three times that


def test_distributed_errors():
    vsa = hdc.create("MAP-B", 100)
    with pytest.raises(errors.ParameterError, match="take 40000 bytes, more than most_bytes=39999"):
        hdc.SparseDistributedMemory(vsa, 100, most_bytes=39_999)
    with pytest.raises(errors.ParameterError, match="vsa must be a MAPB"):
        hdc.SparseDistributedMemory(hdc.create("MAP-I", 100), 10)
    memory = hdc.SparseDistributedMemory(vsa, 10, radius=50)
    with pytest.raises(errors.DimensionError, match="2 words need as many addresses, not 1"):
        memory.write(vsa.random(2, seed=0), vsa.random(1, seed=0))
    assert repr(memory).endswith("10 locations, radius=50, 0 words)")
    with pytest.raises(ValueError, match="read-only"):
        memory.counters[0] = 1


# ---------------------------------------------------------------------- decoded bundles


def naive_pursuit(bundle, items, size):
    left, found = bundle.astype(np.float64), []
    for _ in range(size):
        scores = items @ left / np.linalg.norm(items, axis=1)
        scores[found] = -np.inf
        found.append(int(scores.argmax()))
        weights = np.linalg.lstsq(items[found].T, bundle.astype(np.float64), rcond=None)[0]
        left = bundle - weights @ items[found]
    return found, weights


@pytest.mark.parametrize("family", LINEAR)
def test_pursuit_is_the_definition(family):
    vsa = make(family, 128)
    memory = memory_of(vsa, 200)
    bundles = vsa.bundle(vsa.symbols([*range(0, 20), *range(50, 70)]).reshape(2, 20, -1), [[3] + [1] * 18 + [2]] * 2)
    weights, indices = decoding.members(vsa, bundles, memory.vectors, 12)
    for row in range(2):
        found, expected = naive_pursuit(host(bundles[row]), host(memory.vectors).astype(np.float64), 12)
        assert indices[row].tolist() == found
        np.testing.assert_allclose(weights[row], expected, atol=1e-5)


@pytest.mark.parametrize("family", LINEAR)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("method", ["pursuit", "least-squares"])
def test_members_and_their_counts(family, backend, method):
    vsa = make(family, 256, backend)
    memory = memory_of(vsa, 60)
    bundle = vsa.bundle(vsa.symbols([5, 17, 33, 59]), [3, 1, 2, 1])
    found = memory.decode(bundle, 4, method)
    assert {member.name: round(member.weight, 3) for member in found} == {5: 3, 17: 1, 33: 2, 59: 1}
    many = memory.decode_many(vsa.xp.stack([bundle, bundle]), 4, method)
    assert [[member.name for member in row] for row in many] == [[member.name for member in found]] * 2


def test_least_squares_is_exact_for_fewer_items_than_components():
    vsa = hdc.create("MAP-I", 200)
    memory = memory_of(vsa, 150)
    for start in (0, 40, 90):
        names = set(range(start, start + 60))
        bundle = vsa.bundle(vsa.symbols(sorted(names)))
        assert {member.name for member in memory.decode(bundle, 60, "least-squares")} == names
        assert {member.name for member in memory.decode(bundle, 60, "top")} != names


def test_pursuit_decodes_more_than_the_most_similar():
    """D = 256, N = 1000: of 30 members pursuit finds about .993 and similarity .69 (mean of 40 bundles)."""
    vsa = hdc.create("MAP-I", 256)
    memory = memory_of(vsa, 1000)
    generator = np.random.default_rng(0)
    right = np.stack([generator.choice(1000, 30, replace=False) for _ in range(40)])
    bundles = vsa.bundle(memory.vectors[right])
    share = {
        method: np.mean(
            [
                np.isin(*pair).mean()
                for pair in zip(decoding.members(vsa, bundles, memory.vectors, 30, method)[1], right, strict=True)
            ]
        )
        for method in ("pursuit", "top")
    }
    assert share["pursuit"] > 0.96
    assert 0.6 < share["top"] < 0.78


def test_blocks_of_bundles(monkeypatch):
    vsa = hdc.create("MAP-I", 64)
    memory = memory_of(vsa, 100)
    bundles = vsa.bundle(vsa.random(50, seed=0).reshape(10, 5, -1))
    whole = decoding.members(vsa, bundles, memory.vectors, 5)
    monkeypatch.setattr("hdc.decoding.COMPONENTS", 1000)
    for a, b in zip(whole, decoding.members(vsa, bundles, memory.vectors, 5), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)


def test_equal_items_do_no_harm():
    """An item that is there twice is found once, and the other one gets what is left: nothing."""
    vsa = hdc.create("MAP-I", 100)
    memory = hdc.ItemMemory(vsa)
    memory.add(["a", "b", "again"], vsa.symbols(["a", "b", "a"]))
    found = memory.decode(vsa.bundle(vsa.symbols(["a", "b"])), 3)
    assert sum(member.weight for member in found if member.name != "b") == pytest.approx(1, abs=1e-3)


def test_decoding_errors():
    vsa = hdc.create("MAP-B", 100)
    memory = memory_of(vsa, 5)
    with pytest.raises(errors.UnsupportedError, match="bundles of MAP-B are no sums"):
        memory.decode(vsa.symbol(1), 2)
    assert memory.decode(vsa.symbol(1), 1, "top")[0].name == 1
    linear = memory_of(hdc.create("MAP-I", 10), 10)
    with pytest.raises(errors.ParameterError, match="use method='pursuit'"):
        linear.decode(linear[1], 2, "least-squares")
    with pytest.raises(errors.ParameterError, match="size must be an integer of at most 10, not 11"):
        linear.decode(linear[1], 11)
    with pytest.raises(errors.ParameterError, match="method must be one of"):
        linear.decode(linear[1], 1, "guess")
    with pytest.raises(errors.DimensionError, match="use decode_many"):
        linear.decode(linear.vectors, 1)
    with pytest.raises(errors.UnsupportedError):
        hdc.ItemMemory(hdc.create("FHRR", 50, bundles="phase"), "ab").decode(hdc.create("FHRR", 50).symbol("a"), 1)
