"""What models of matrices, of real products and of unitary blocks are, against their definitions written plainly.

Statistics are of fixed seeds and held to formulas within 6 standard errors, a false alarm of 2e-9 each.
"""

import dataclasses
import itertools
import math

import numpy as np
import pytest

import hdc
from hdc import errors
from hdc.bounds.clipped import clipped
from hdc.testing import check_law, laws
from tests import models

BACKENDS = models.BACKENDS
SIGMAS = 6


def of(vsa, x):
    return vsa.from_numpy(np.ascontiguousarray(x))


def assert_moments(sample, mean, variance, what=""):
    """Hold the mean and the variance of a sample of nearly normal values to what is expected."""
    n = len(sample)
    assert abs(sample.mean() - mean) < SIGMAS * sample.std() / np.sqrt(n), what
    assert abs(sample.var(ddof=1) / variance - 1) < SIGMAS * np.sqrt(2 / n), what


@pytest.mark.parametrize(("model", "dim"), [("VTB", 900), ("TVTB", 900), ("MAP-C", 900), ("HLB", 900), ("GHRR", 200)])
def test_what_an_atom_scores_with_itself(model, dim):
    """Mean squares of 200 atoms; sets that share three, of variance (ab + t² - 2t) over the numbers stored."""
    vsa = hdc.create(model, dim, precision="float64")
    x = vsa.random(200, seed=1)
    squares = (x**2).sum(axis=-1)
    assert abs(squares.mean() - vsa.square) <= SIGMAS * squares.std() / np.sqrt(200) + 1e-9 * vsa.square
    bundle, other = vsa.bundle(x[:6]), vsa.bundle(x[3:9])
    assert vsa.contains(bundle, x, 6).tolist() == [True] * 6 + [False] * 194
    if model != "MAP-C":
        spread = np.sqrt((36 + 9 - 6) / vsa.storage)
        assert abs(float(vsa.intersection_size(bundle, other)) - 3) < SIGMAS * spread
        half = vsa.bundle(x[:1], [0.5 * vsa.square / squares[0]])
        assert [bool(vsa.contains(half * scale, x[0])) for scale in (1.001, 0.999)] == [True, False]


# ---------------------------------------------------------------------- VTB and TVTB


def product(a, b):
    """Multiply two square lists of numbers, entry by entry."""
    return [[sum(x * b[k][j] for k, x in enumerate(row)) for j in range(len(b))] for row in a]


def transposed(a):
    return [list(column) for column in zip(*a, strict=True)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dim", [1, 4, 36])
def test_matrices_bind_as_the_papers_say(dim, backend):
    """VTB turns every row of x by the role's matrix, TVTB multiplies the role by x; both times the root of the rows."""
    m = round(dim**0.5)
    for model in ("VTB", "TVTB"):
        vsa = hdc.create(model, dim, precision="float64", **models.place(backend))
        vectors = vsa.symbols(["role", "x"])
        r, x = models.host(vectors).reshape(2, m, m).tolist()
        bound, back = (models.host(f(vectors[0], vectors[1])).reshape(m, m) for f in (vsa.bind, vsa.unbind))
        if model == "VTB":
            rows = [[sum(r[i][j] * row[j] for j in range(m)) for i in range(m)] for row in x]  # R times each row
            np.testing.assert_allclose(bound, np.sqrt(m) * np.array(rows), atol=1e-12)
            np.testing.assert_allclose(back, np.sqrt(m) * np.array(product(x, r)), atol=1e-12)
        else:
            np.testing.assert_allclose(bound, np.sqrt(m) * np.array(product(r, x)), atol=1e-12)
            np.testing.assert_allclose(back, np.sqrt(m) * np.array(product(transposed(r), x)), atol=1e-12)


@pytest.mark.parametrize("model", [hdc.VTB, hdc.TVTB])
def test_dimensions_are_squares(model):
    assert [model.next_dim(least) for least in (1, 2, 4, 5, 1000, 1024, 10**9)] == [1, 4, 4, 9, 1024, 1024, 31623**2]
    for dim, near in ((2, "1 or 4"), (1000, "961 or 1024"), (2**31 - 2, "2147395600 or 2147488281")):
        with pytest.raises(errors.ParameterError, match=f"dim must be a square, such as {near}, not {dim}"):
            model(dim)
    with pytest.raises(errors.ParameterError, match="least must be an integer"):
        model.next_dim(0)
    with pytest.raises(errors.ParameterError, match="roles must be one of orthogonal, gaussian"):
        model(4, roles="unitary")


@pytest.mark.parametrize("model", [hdc.VTB, hdc.TVTB])
def test_roles_are_orthogonal_and_symbols_normal(model):
    role = model(400, precision="float64").role("r").reshape(20, 20) * np.sqrt(20)
    np.testing.assert_allclose(role @ role.T, np.eye(20), atol=1e-12)
    loose = model(400, precision="float64", roles="gaussian").role("r").reshape(20, 20) * np.sqrt(20)
    assert np.abs(loose @ loose.T - np.eye(20)).max() > 0.5
    x = model(400, precision="float64").random(500, seed=1) * 20
    assert abs(x.mean()) < SIGMAS / np.sqrt(x.size)
    assert abs((x**2).mean() - 1) < SIGMAS * np.sqrt(2 / x.size)
    assert abs((x**4).mean() - 3) < SIGMAS * np.sqrt(96 / x.size)


def test_tvtb_is_the_algebra_of_matrices_and_vtb_is_not():
    tvtb, vtb = hdc.TVTB(4096, precision="float64"), hdc.VTB(4096, precision="float64")
    a, b, c = tvtb.random(3, seed=1)
    np.testing.assert_allclose(tvtb.bind(tvtb.bind(a, b), c), tvtb.bind(a, tvtb.bind(b, c)), atol=1e-12)
    assert abs(vtb.similarity(vtb.bind(vtb.bind(a, b), c), vtb.bind(a, vtb.bind(b, c)))) < SIGMAS / 64
    np.testing.assert_allclose(tvtb.bind(a, tvtb.identity), a, atol=1e-12)
    np.testing.assert_allclose(tvtb.power(a, 3), tvtb.bind(a, tvtb.bind(a, a)), atol=1e-12)
    assert vtb.similarity(vtb.bind(a, vtb.identity), a) < 0.1  # an identity on one side only
    np.testing.assert_allclose(vtb.bind(vtb.identity, a), a, atol=1e-12)
    np.testing.assert_allclose(vtb.bind(a, b), tvtb.bind(b, vtb.inverse(a)), atol=1e-12)
    with pytest.raises(errors.UnsupportedError, match="not associative; take TVTB"):
        vtb.power(a, 2)


@pytest.mark.parametrize("model", [hdc.VTB, hdc.TVTB])
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_gaussian_matrices_unbind_as_well_as_promised(model, depth):
    """The formula is for many rows: with 32 it is off by less than 8 parts in dim."""
    vsa, seen = model(1024, roles="gaussian"), []
    for number in range(60):
        x = y = vsa.random(1, seed=number)
        roles = vsa.random(depth, seed=1000 + number)
        for role in roles:
            y = vsa.bind(role, y)
        for role in roles[::-1]:
            y = vsa.unbind(role, y)
        seen.append(float(vsa.similarity(x, y)[0, 0]))
    promised = vsa.unbound_similarity(depth)
    assert abs(np.mean(seen) - promised) < SIGMAS * np.std(seen) / np.sqrt(60) + 8 / 1024
    assert promised == pytest.approx((depth + 1) ** -0.5)
    assert model(400).unbound_similarity(depth) == 1


@pytest.mark.parametrize("model", ["VTB", "TVTB", "HRR"])
@pytest.mark.parametrize("size", [1, 4])
def test_scores_of_values_read_with_symbols(model, size):
    """In lengths of the mean bundle: 800 bundles of pairs, keys and values normal."""
    vsa = hdc.create(model, 400, precision="float64")
    draws = vsa.random(800 * (2 * size + 1), seed=size).reshape(800, 2 * size + 1, 400)
    keys, values, strangers = draws[:, :size], draws[:, size:-1], draws[:, -1]
    read = vsa.unbind(keys[:, 0], vsa.bundle(vsa.bind(keys, values)))
    length = np.sqrt((read**2).sum(axis=-1).mean())
    moments = vsa.scores(size, read="symbol")
    for items, mean, sd in ((values[:, 0], *moments[:2]), (strangers, *moments[2:])):
        scores = (read * items).sum(axis=-1) / np.linalg.norm(items, axis=-1) / length
        assert abs(scores.mean() - mean) < SIGMAS * scores.std() / np.sqrt(800) + 2 / 400
        assert abs(scores.var() / sd**2 - 1) < SIGMAS * np.sqrt(3 / 800)  # the variances vary with the keys' norms


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("model", ["VTB", "TVTB"])
def test_normalized_matrices_are_the_nearest_orthogonal_ones(model, backend):
    """Q is nearest to X if Q is orthogonal and Q^T X symmetric without a negative eigenvalue (Fan and Hoffman 1955)."""
    vsa = hdc.create(model, 49, precision="float64", **models.place(backend))
    x = models.host(vsa.random(5, seed=1))
    q = models.host(vsa.normalize(of(vsa, x))).reshape(5, 7, 7) * np.sqrt(7)
    np.testing.assert_allclose(q @ q.swapaxes(1, 2), np.broadcast_to(np.eye(7), q.shape), atol=1e-12)
    rest = q.swapaxes(1, 2) @ x.reshape(5, 7, 7)
    np.testing.assert_allclose(rest, rest.swapaxes(1, 2), atol=1e-12)
    assert np.linalg.eigvalsh(rest).min() > -1e-12
    assert models.host(vsa.normalize(of(vsa, np.zeros((2, 49), np.float32)))).dtype == np.float64


def test_a_rotation_cannot_order_a_tvtb_and_the_suite_says_so():
    class Rotating(hdc.TVTB):
        def permute(self, x, shift=1):
            return np.roll(self.check(x), shift, axis=-1)

    check_law(hdc.TVTB(1024), "order")
    with pytest.raises(AssertionError, match="are alike"):
        check_law(Rotating(1024), "order")


def test_the_suite_finds_wrong_words_about_associativity():
    class Boasting(hdc.VTB):
        associative = True

    class Modest(hdc.MAPI):
        associative = False

    with pytest.raises(AssertionError, match="of an associative model"):
        check_law(Boasting(1024), "declared-algebra")
    with pytest.raises(AssertionError, match="bind associates"):
        check_law(Modest(1024), "declared-algebra")
    assert [hdc.Bloom(100, binding=binding).associative for binding in ("shift", "segment")] == [False, True]


# ---------------------------------------------------------------------- MAP-C


@pytest.mark.parametrize("backend", BACKENDS)
def test_map_c_multiplies_and_clips(backend):
    vsa = hdc.create("MAP-C", 30, precision="float64", **models.place(backend))
    x = models.host(vsa.random(9, seed=1))
    for weights in ([1] * 9, [3, -1, 4, 1, -5, 9, 2, 6, 5], [0.25] * 9):
        plain = [min(1.0, max(-1.0, sum(w * row[i] for w, row in zip(weights, x, strict=True)))) for i in range(30)]
        np.testing.assert_allclose(models.host(vsa.bundle(of(vsa, x), weights)), plain, atol=1e-12)
    np.testing.assert_allclose(models.host(vsa.bind(of(vsa, x[0]), of(vsa, x[1]))), x[0] * x[1], atol=0)
    np.testing.assert_allclose(models.host(vsa.unbind(of(vsa, x[0]), of(vsa, x[1]))), x[0] * x[1], atol=0)
    assert set(models.host(vsa.role("r")).tolist()) == {-1.0, 1.0}
    np.testing.assert_array_equal(models.host(vsa.role("r")), hdc.MAPI(30).role("r"))
    assert np.abs(models.host(dataclasses.replace(vsa, roles="uniform").role("r"))).max() < 1


def test_map_c_atoms_are_uniform_and_prefixes():
    vsa = hdc.MAPC(1000, precision="float64")
    x = vsa.random(200, seed=1)
    assert np.abs(x).max() < 1
    for power, mean, square in ((1, 0, 1 / 3), (2, 1 / 3, 1 / 5), (4, 1 / 5, 1 / 9)):
        assert abs((x**power).mean() - mean) < SIGMAS * np.sqrt((square - mean**2) / x.size)
    np.testing.assert_array_equal(hdc.MAPC(10, precision="float64").symbol("a"), vsa.symbol("a")[:10])


def test_a_running_bundle_is_clipped_when_it_is_read():
    vsa = hdc.MAPC(50, precision="float64")
    x, extra = vsa.random(3, seed=1), vsa.random(40, seed=2)
    running = hdc.Accumulator(vsa)
    running.add(x)
    running.add(extra)
    assert np.abs(running.vector()).max() == 1
    running.subtract(extra)
    np.testing.assert_allclose(running.vector(), np.clip(x.sum(axis=0), -1, 1), atol=1e-12)


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_uniform_roles_unbind_as_well_as_promised(depth):
    vsa = hdc.MAPC(20_000, roles="uniform")
    x = y = vsa.random(5, seed=9)
    for level in range(depth):
        y = vsa.bind(vsa.role(level), vsa.bind(vsa.role(level), y))
    seen = np.diagonal(vsa.similarity(x, y))
    promised = vsa.unbound_similarity(depth)
    assert promised == pytest.approx((5**0.5 / 3) ** depth)
    assert abs(seen.mean() - promised) < SIGMAS * np.sqrt(9**depth / 20_000)  # a few heavy products
    assert hdc.MAPC(10).unbound_similarity(depth) == 1


def irwin_hall(n, t):
    """Return the distribution function of the sum of n variables that are uniform over (-1, 1), written plainly."""
    terms = ((-1) ** j * math.comb(n, j) * np.clip((t + n) / 2 - j, 0, None) ** n for j in range(n + 1))
    return sum(terms) / math.factorial(n)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 8])
def test_means_of_clipped_sums_are_those_of_exact_distributions(size):
    """E[b | x] = 2 F(x) - 1 and E[b²] = ∫ 2u P(|S| > u) du, F of a sum S of all."""
    x = (np.arange(20_000) + 0.5) / 10_000 - 1
    u = x[10_000:]
    hit, square = (x * (2 * irwin_hall(size, x) - 1)).mean(), (4 * u * irwin_hall(size, -u)).mean()
    assert float(hdc.MAPC(100).scores(size).hit_mean) == pytest.approx(hit / np.sqrt(square / 3), abs=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("read", [None, "symbol"])
def test_scores_of_clipped_bundles(size, read):
    """In lengths of the mean bundle, of 400 bundles."""
    vsa = hdc.MAPC(400, precision="float64")
    draws = vsa.random(400 * (2 * size + 1), seed=size).reshape(400, 2 * size + 1, 400)
    strangers, x, keys = draws[:, 0], draws[:, 1 : size + 1], draws[:, size + 1 :]
    bundles = vsa.bundle(x) if read is None else vsa.unbind(keys[:, 0], vsa.bundle(vsa.bind(keys, x)))
    length = np.sqrt((bundles**2).sum(axis=-1).mean())
    moments = vsa.scores(size, read=read)
    for items, mean, sd in ((x[:, 0], *moments[:2]), (strangers, *moments[2:])):
        assert_moments((bundles * items).sum(axis=-1) / np.linalg.norm(items, axis=-1) / length, mean, sd**2)
    several = vsa.scores(np.array([[size], [5]]), read=read)
    if read is None:
        assert clipped(size, 400) == moments
    assert several.hit_mean.shape == several.reject_sd.shape == (2, 1)
    assert several.hit_sd[0, 0] == moments.hit_sd
    assert vsa.scores(size, read="role") == vsa.scores(size)
    assert hdc.MAPC(400, roles="uniform").scores(size, read="role") == vsa.scores(size, read="symbol")


def test_what_map_c_refuses_and_normalizes():
    vsa = hdc.MAPC(30)
    x = vsa.random(2, seed=1)
    with pytest.raises(errors.UnsupportedError, match="no estimate"):
        vsa.intersection_size(x, x)
    with pytest.raises(errors.ParameterError, match="size must be"):
        vsa.contains(x[0], x)
    with pytest.raises(errors.ParameterError, match="roles must be one of signs, uniform"):
        hdc.MAPC(30, roles="gaussian")
    np.testing.assert_array_equal(vsa.normalize(x), np.sign(x))
    for model in (vsa, hdc.HLB(30)):
        zeros = model.normalize(np.zeros((2, 30), np.float64))
        assert zeros.dtype == np.float32
        assert 5 < (zeros[0] > 0).sum() < 25  # neither the identity nor its opposite, which all others would be like
        np.testing.assert_array_equal(np.abs(zeros), 1)


def test_the_suite_finds_wrong_words_about_clipping():
    class Silent(hdc.MAPC):
        clips = False

    class Boasting(hdc.MAPI):
        clips = True

    with pytest.raises(AssertionError, match="1001 copies of an atom with it"):
        check_law(Silent(1000), "no-wrapping")
    with pytest.raises(AssertionError, match="bundles are not limited"):
        check_law(Boasting(1000), "no-wrapping")


# ---------------------------------------------------------------------- HLB


def test_hlb_atoms_lie_around_signs():
    vsa = hdc.HLB(1000, precision="float64")
    x = vsa.random(200, seed=1)
    noise = (x - np.sign(x)) * np.sqrt(1000)  # 31 deviations from the other sign
    n = x.size
    assert abs(np.sign(x).mean()) < SIGMAS / np.sqrt(n)
    assert abs(noise.mean()) < SIGMAS / np.sqrt(n)
    assert abs((noise**2).mean() - 1) < SIGMAS * np.sqrt(2 / n)
    assert abs((noise * np.sign(x)).mean()) < SIGMAS / np.sqrt(n)
    bits = hdc.MAPI(1000).random(200, seed=1)
    np.testing.assert_array_equal(np.sign(x), bits)


@pytest.mark.parametrize("backend", BACKENDS)
def test_hlb_divides(backend):
    vsa = hdc.create("HLB", 40, precision="float64", **models.place(backend))
    x = models.host(vsa.random(2, seed=1)).copy()
    x[0, :2] = 0
    key, value = of(vsa, x[0]), of(vsa, x[1])
    np.testing.assert_array_equal(models.host(vsa.bind(key, value)), x[0] * x[1])
    expected = [0.0 if a == 0 else b / a for a, b in zip(*x, strict=True)]
    np.testing.assert_allclose(models.host(vsa.unbind(key, value)), expected, rtol=1e-14)
    back = models.host(vsa.unbind(key, vsa.bind(key, value)))
    np.testing.assert_allclose(back[2:], x[1, 2:], rtol=1e-14)
    assert back[:2].tolist() == [0, 0]
    np.testing.assert_allclose(models.host(vsa.power(value, -2)), x[1] ** -2.0, rtol=1e-12)


@pytest.mark.skipif(bool(models.NO_TORCH), reason=models.NO_TORCH)
def test_gradients_flow_to_both_operands():
    import torch

    for model, dim in (("HLB", 9), ("MAP-C", 9), ("VTB", 9), ("TVTB", 9), ("GHRR", 3)):
        vsa = hdc.create(model, dim, backend="torch", precision="float64")
        role, x = vsa.random(1, seed=1)[0], vsa.random(2, seed=2)
        pair = role.requires_grad_(), x.requires_grad_()
        assert torch.autograd.gradcheck(vsa.bind, pair)
        assert torch.autograd.gradcheck(vsa.unbind, pair)
        assert torch.autograd.gradcheck(lambda y, vsa=vsa: vsa.similarity(vsa.bundle(y / 4), y), (x,))
    zero = torch.zeros(9, dtype=torch.float64, requires_grad=True)
    hlb = hdc.create("HLB", 9, backend="torch", precision="float64")
    hlb.unbind(zero, hlb.symbol("a")).sum().backward()
    assert bool(torch.isfinite(zero.grad).all())


HALVES = {"float16": 4e-3, "bfloat16": 4e-2}
"""Tolerances of a few rounded operations on entries of about 1, and of fewer and smaller ones of matrices."""


@pytest.mark.skipif(bool(models.NO_TORCH), reason=models.NO_TORCH)
@pytest.mark.parametrize("precision", HALVES)
@pytest.mark.parametrize("model", ["VTB", "TVTB", "MAP-C", "HLB", "GHRR"])
def test_half_precision(model, precision):
    half, full = (hdc.create(model, 64, backend="torch", precision=p) for p in (precision, "float32"))
    x, y = half.symbols(list("abc")), full.symbols(list("abc"))
    for name in ("bind", "unbind", "bundle", "permute", "normalize", "inverse", "power"):
        if (model, name) == ("VTB", "power"):
            continue
        given = {"bind": (half.role("r"), x), "unbind": (half.role("r"), x), "power": (x, 2)}.get(name, (x,))
        found = getattr(half, name)(*given)
        assert found.dtype == half.dtype, name
        if name != "normalize":  # where rounding may turn what is near zero
            wanted = {"bind": (full.role("r"), y), "unbind": (full.role("r"), y), "power": (y, 2)}.get(name, (y,))
            expected = getattr(full, name)(*wanted).numpy()
            scale = max(1.0, np.abs(expected).max())
            np.testing.assert_allclose(found.float().numpy(), expected, atol=HALVES[precision] * scale, err_msg=name)
    alike = np.diagonal(half.similarity(half.normalize(x), x))
    assert alike.min() > 0.8  # 8 / 3π for Gaussian matrices, sqrt(3) / 2 for uniform components


# ---------------------------------------------------------------------- GHRR


def blocks_of(vsa, x):
    x = np.ascontiguousarray(models.host(x))
    kind = np.complex128 if x.dtype == np.float64 else np.complex64
    return x.view(kind).reshape(*x.shape[:-1], vsa.dim, vsa.block, vsa.block)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("block", [1, 2, 3])
def test_ghrr_multiplies_blocks(block, backend):
    vsa = hdc.create("GHRR", 5, block=block, precision="float64", **models.place(backend))
    x = vsa.symbols(["a", "b"])
    a, b = blocks_of(vsa, x)
    for made, left in ((vsa.bind(x[0], x[1]), a), (vsa.unbind(x[0], x[1]), a.conj().swapaxes(1, 2))):
        found = blocks_of(vsa, made)
        for d, i, j in itertools.product(range(5), range(block), range(block)):
            plain = sum(complex(left[d, i, k]) * complex(b[d, k, j]) for k in range(block))
            assert abs(found[d, i, j] - plain) < 1e-12
    trace = sum(np.trace(a[d] @ b[d].conj().T).real for d in range(5)) / (block * 5)
    assert float(vsa.similarity(x[0], x[1])) == pytest.approx(trace, abs=1e-12)


@pytest.mark.parametrize("block", [1, 2, 3, 16])
def test_ghrr_atoms_are_uniform_over_the_unitary_group(block):
    """Traces of Haar matrices: mean of |tr|² 1, and of |tr|⁴ 2 from two rows on (Diaconis and Shahshahani 1994)."""
    vsa = hdc.GHRR(200, block=block, precision="float64")
    u = blocks_of(vsa, vsa.random(20 if block < 16 else 2, seed=1)).reshape(-1, block, block)
    np.testing.assert_allclose(u @ u.conj().swapaxes(1, 2), np.broadcast_to(np.eye(block), u.shape), atol=1e-13)
    squares = np.abs(np.trace(u, axis1=1, axis2=2)) ** 2
    for sample, mean in ((squares, 1), (squares**2, 2 if block > 1 else 1), (np.trace(u, axis1=1, axis2=2).real, 0)):
        assert abs(sample.mean() - mean) < SIGMAS * sample.std() / np.sqrt(len(sample)) + 1e-12


@pytest.mark.parametrize("block", [1, 2, 4])
def test_ghrr_strangers_are_as_far_as_the_numbers_stored_say(block):
    vsa = hdc.GHRR(64, block=block)
    x = vsa.random(1200, seed=3)
    s = (x[::2].astype(float) * x[1::2]).sum(axis=-1) / (64 * block)
    assert_moments(s, 0.0, 1 / (2 * block**2 * 64))
    assert float(vsa.scores(1).reject_sd) == pytest.approx(1 / np.sqrt(2 * block**2 * 64))


@pytest.mark.parametrize("block", [2, 3, 4])
def test_the_order_of_a_product_of_blocks(block):
    """E tr(A B A^H B^H) / m = E |tr B|² / m² = 1 / m² for matrices uniform over the unitary group."""
    vsa = hdc.GHRR(50, block=block)
    a, b = vsa.random(300, seed=5).reshape(2, 150, -1)
    one, other = vsa.bind(a, b), vsa.bind(b, a)
    s = (one.astype(float) * other).sum(axis=-1) / (50 * block)
    assert abs(s.mean() - block**-2) < SIGMAS * s.std() / np.sqrt(150)


@pytest.mark.parametrize("block", [1, 3])
def test_laws_of_other_blocks(block):
    vsa, statistical = hdc.GHRR(17, block=block), {"quasi-orthogonality", "names", "order", "scores"}
    for law in laws():
        if law not in statistical:
            check_law(vsa, law)
    assert vsa.commutative == (block == 1)


def test_one_number_a_block_is_fhrr():
    ghrr, fhrr = hdc.GHRR(50, block=1), hdc.FHRR(50)
    a, b = fhrr.symbols(["a", "b"])
    for name in ("bind", "unbind", "similarity"):
        np.testing.assert_allclose(getattr(ghrr, name)(a, b), getattr(fhrr, name)(a, b), atol=1e-6)
    np.testing.assert_allclose(ghrr.power(a, 0.3), fhrr.power(a, 0.3), atol=1e-5)
    np.testing.assert_allclose(ghrr.permute(a, 3), fhrr.permute(a, 3), atol=0)
    np.testing.assert_allclose(ghrr.normalize(a + b), fhrr.normalize(a + b), atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_ghrr_powers_of_real_exponents_bind(backend):
    vsa = hdc.create("GHRR", 30, precision="float64", **models.place(backend))
    x = vsa.random(3, seed=1)
    for a, b in ((0.3, 0.4), (1.5, -0.5), (-0.25, 0.25)):
        together = vsa.bind(vsa.power(x, a), vsa.power(x, b))
        np.testing.assert_allclose(models.host(together), models.host(vsa.power(x, a + b)), atol=1e-9)
    root = blocks_of(vsa, vsa.power(x, 0.5))
    np.testing.assert_allclose(root @ root, blocks_of(vsa, x), atol=1e-9)
    assert np.abs(np.angle(np.linalg.eigvals(root))).max() <= np.pi / 2 + 1e-9


@pytest.mark.parametrize("backend", BACKENDS)
def test_normalized_blocks_are_the_nearest_unitary_ones(backend):
    vsa = hdc.create("GHRR", 6, block=3, precision="float64", **models.place(backend))
    x = vsa.bundle(vsa.random(4, seed=1))
    u, blocks = blocks_of(vsa, vsa.normalize(x)), blocks_of(vsa, x)
    np.testing.assert_allclose(u @ u.conj().swapaxes(1, 2), np.broadcast_to(np.eye(3), u.shape), atol=1e-12)
    rest = u.conj().swapaxes(1, 2) @ blocks
    np.testing.assert_allclose(rest, rest.conj().swapaxes(1, 2), atol=1e-12)
    assert np.linalg.eigvalsh(rest).min() > -1e-12


def test_ghrr_refuses():
    for block in (0, 17, 2.5, True):
        with pytest.raises(errors.ParameterError, match="block must be an integer"):
            hdc.GHRR(10, block=block)
    with pytest.raises(errors.DimensionError, match="needs 20 on the last axis"):
        hdc.GHRR(10).from_phases([0.0] * 10)
    with pytest.raises(errors.DimensionError, match="GHRR needs 80"):
        hdc.GHRR(10).permute(np.zeros(40, np.float32))
