"""The laws every model obeys.

Statistical laws draw from fixed seeds and compare with bounds whose chance of a false alarm is at most ``ALARM``
each (by the normal approximation over independent draws), so a failure means a broken model.
"""

import itertools
import json
import math
import pickle
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.accumulator import Accumulator
from hdc.bounds.moments import Moments
from hdc.checks import instance, known
from hdc.dtypes import is_array
from hdc.errors import (
    DimensionError,
    DTypeError,
    EmptyBundleError,
    HDCError,
    MismatchError,
    ParameterError,
    UnsupportedError,
)
from hdc.kernels import Array
from hdc.registry import from_spec
from hdc.vsa import VSA

ALARM = 2e-9
"""Chance of a false alarm of one statistical comparison (two-sided)."""
SIGMAS = 6.0
"""Standard errors that ``ALARM`` allows: ``2 Q(6) = 2.0e-9``."""
TOLERANCE = {2: 5e-3, 4: 1e-5, 8: 1e-12}
"""What floats of 2, 4 and 8 bytes may differ by, relative to the largest entry or to 1."""
PAIRS = 2000
"""Independent draws behind each statistical law."""
UNRELATED = 100
"""Pairs of bundles of each number of members."""
APPROXIMATE = 0.02
"""What normal approximations of scores may be off by: as a probability, and as a share of a mean."""
SIZES = (2, 3, 5, 8, 12, 20, 40, 80, 160)
"""Members of the bundles whose scores are measured: the most that are more than ``FEW`` deviations from strangers."""
FEW = 1.2
ALIKE = 0.25
"""Similarity of what a permutation should make unlike; one of few parts leaves a part or two where they are."""
TIE_FREE: dict[int, list[int]] = {5: [6, 9, 11, 12, 13], 4: [6, 9, 11, 13], 2: [2, 1]}
"""Numbers of members, and weights of theirs of which no two parts are equal: no component is a tie."""

Law = Callable[[VSA], str | None]
"""Raises AssertionError if the law is broken; returns a reason if it does not apply to the model."""


@dataclass(frozen=True)
class Outcome:
    """What became of one law on one model."""

    law: str
    outcome: str
    """``"held"``, or ``"skipped: "`` and the reason."""


class LawError(AssertionError):
    """A model breaks a law; the text names the law, the model and what was seen."""


def laws() -> tuple[str, ...]:
    """Return the names of all laws."""
    return tuple(LAWS)


def check_law(vsa: VSA, law: str) -> Outcome:
    """Check one law.

    Raises
    ------
    LawError
        If the model breaks it.
    UnknownNameError
        If there is no such law.
    """
    known(law, "law", LAWS)
    instance(vsa, "vsa", VSA)
    try:
        reason = LAWS[law](vsa)
    except Exception as error:
        raise LawError(f"law {law!r} is broken by {vsa}: {type(error).__name__}: {error}") from error
    return Outcome(law, f"skipped: {reason}" if reason else "held")


def check_model(vsa: VSA) -> tuple[Outcome, ...]:
    """Check every law on a model, which may come from any package.

    Parameters
    ----------
    vsa : VSA

    Returns
    -------
    tuple of Outcome, one a law

    Raises
    ------
    LawError
        If a law is broken: all broken ones are named.
    """
    outcomes, broken = [], []
    for law in LAWS:
        try:
            outcomes.append(check_law(vsa, law))
        except LawError as error:
            broken.append(str(error))
    if broken:
        raise LawError("\n".join(broken))
    return tuple(outcomes)


# ---------------------------------------------------------------------- comparisons


def assert_same(actual: Array, expected: Array, what: str) -> None:
    """Compare exactly for bits and integers, and within ``TOLERANCE`` of the largest entry for floats."""
    a, e = np.asarray(actual), np.asarray(expected)
    assert a.shape == e.shape, f"{what}: shape {a.shape}, expected {e.shape}"
    if a.dtype.kind in "bui" and e.dtype.kind in "bui":
        assert np.array_equal(a, e), f"{what}: {int((a != e).sum())} of {a.size} entries differ"
        return
    tolerance = max(TOLERANCE[x.dtype.itemsize] for x in (a, e) if x.dtype.kind == "f")
    scale = max(1.0, float(np.abs(e).max(initial=0)))
    worst = float(np.abs(a - e).max(initial=0))
    assert worst <= tolerance * scale, f"{what}: off by {worst:.3g}, more than {tolerance * scale:.3g}"


def _host(vsa: VSA, x: Any) -> npt.NDArray[Any]:
    """Return a result of the model as a NumPy array, packed words in the dtype that its backend has."""
    return np.asarray(vsa.kernels.arrays.to_numpy(x) if is_array(x) and not isinstance(x, np.ndarray) else x)


def _same(vsa: VSA, actual: Array, expected: Any, what: str) -> None:
    assert_same(_host(vsa, actual), _host(vsa, expected), what)


def _assert_mean(sample: npt.NDArray[Any], expected: float, what: str, slack: float = 0.0) -> None:
    sample = sample.astype(np.float64)
    error = SIGMAS * (float(sample.std(ddof=1)) / np.sqrt(len(sample)) + 1e-7) + slack
    mean = float(sample.mean())
    assert abs(mean - expected) <= error, f"{what}: mean {mean:.5f}, expected {expected:.5f} ± {error:.5f}"


def _pair_similarities(vsa: VSA, a: Array, b: Array) -> npt.NDArray[np.float64]:
    """Return the similarity of each row of ``a`` with the same row of ``b``, from small square batches."""
    together = 16
    squares = (_host(vsa, vsa.similarity(a[i : i + together], b[i : i + together])) for i in range(0, len(a), together))
    return np.concatenate([np.diagonal(square) for square in squares]).astype(np.float64)


def _raises(expected: type[Exception], call: Callable[[], Any], what: str) -> None:
    try:
        call()
    except expected:
        return
    except Exception as error:
        raise AssertionError(f"{what} raised {type(error).__name__} instead of {expected.__name__}") from error
    raise AssertionError(f"{what} raised nothing, and {expected.__name__} was due")


def _bundles(vsa: VSA, count: int, seed: int) -> Array:
    """Return ``(count, storage)`` bundles of three atoms each."""
    members = vsa.random(3 * count, seed=seed)
    return vsa.bundle(members.reshape(count, 3, -1))


def _operands(vsa: VSA, seed: int) -> tuple[list[Any], Array]:
    """Return twenty roles, and ``PAIRS`` atoms, as many to bind with each."""
    roles = [vsa.role(i) for i in range(20)]
    return roles, vsa.random(PAIRS, seed=seed).reshape(len(roles), -1, vsa.storage)


def _some_role(vsa: VSA) -> Any:
    return vsa.role("law")


# ---------------------------------------------------------------------- laws


def _spec(vsa: VSA) -> None:
    copy = from_spec(json.loads(json.dumps(vsa.spec())))
    assert copy == vsa, f"from_spec(spec()) is {copy}"
    assert hash(copy) == hash(vsa), "equal models hash differently"
    assert pickle.loads(pickle.dumps(vsa)) == vsa, "pickling changes the model"


def _layout(vsa: VSA) -> None:
    for what, x in (("symbols", vsa.symbols(["a", "b"])), ("random", vsa.random(2, seed=1))):
        assert x.shape == (2, vsa.storage), f"{what} has shape {x.shape}, expected {(2, vsa.storage)}"
        assert x.dtype == vsa.dtype, f"{what} has dtype {x.dtype}, expected {vsa.dtype}"
    assert vsa.symbols([]).shape == (0, vsa.storage), "no names do not give an empty array"


def _determinism(vsa: VSA) -> None:
    fresh = from_spec(vsa.spec())
    names = ["a", "b", 3, ("c", None)]
    _same(vsa, fresh.symbols(names), vsa.symbols(names), "atoms of an equal model")
    _same(vsa, vsa.xp.flip(vsa.symbols(names[::-1]), axis=0), vsa.symbols(names), "atoms asked for in another order")
    _same(vsa, vsa.symbol("b"), vsa.symbols(names)[1], "an atom asked for alone")
    _same(vsa, vsa.random(5, seed=4)[:2], vsa.random(2, seed=4), "the first anonymous atoms")
    x = vsa.random(4, seed=5)
    _same(vsa, vsa.bundle(x), fresh.bundle(x), "the same bundle twice")


def _names(vsa: VSA) -> str | None:
    if vsa.dim < 256:
        return "atoms of a few components can be equal by chance"
    names = ["1", 1, 1.0, True, b"1", (1,), ("ab", "c"), ("a", "bc"), ("abc",), "", None, ((),), (), 0, 256]
    distinct = {row.tobytes() for row in _host(vsa, vsa.symbols(names))}
    assert len(distinct) == len(names), f"{len(names)} different names gave {len(distinct)} atoms"
    other_seed = from_spec(vsa.spec(), seed=vsa.seed + 1).symbol("a")
    assert not vsa.xp.all(other_seed == vsa.symbol("a")), "another seed gives the same atom"
    return None


def _self_similarity(vsa: VSA) -> None:
    x = vsa.random(20, seed=6)
    _same(
        vsa,
        np.diagonal(_host(vsa, vsa.similarity(x, x))),
        np.ones(20, np.float32),
        "similarity of atoms with themselves",
    )


def _quasi_orthogonality(vsa: VSA) -> None:
    x = vsa.random(2 * PAIRS, seed=7)
    s = _pair_similarities(vsa, x[::2], x[1::2])
    _assert_mean(s, 0.0, "similarity of unrelated atoms")
    square = s**2
    limit = 2 / vsa.dim + SIGMAS * float(square.std()) / np.sqrt(PAIRS)
    assert square.mean() <= limit, f"mean squared similarity of unrelated atoms {square.mean():.5f}, limit {limit:.5f}"


def _inverse(vsa: VSA) -> str | None:
    if not vsa.exact_unbind:
        return _unbinds_as_promised(vsa)
    role = _some_role(vsa)
    for what, x in (("atoms", vsa.random(5, seed=8)), ("bundles", _bundles(vsa, 5, seed=9))):
        _same(vsa, vsa.unbind(role, vsa.bind(role, x)), x, f"unbind after bind of {what}")
        _same(vsa, vsa.bind(role, vsa.unbind(role, x)), x, f"bind after unbind of {what}")
    return None


def _unbinds_as_promised(vsa: VSA) -> str | None:
    """Compare the similarity after one and after two levels with what the model expects of large dimensions."""
    try:
        promised = {depth: vsa.unbound_similarity(depth) for depth in (1, 2)}
    except UnsupportedError as error:
        return str(error)
    for depth, expected in promised.items():
        seen = []
        for number in range(60):
            x = vsa.random(20, seed=number)
            roles = [vsa.role((depth, number, level)) for level in range(depth)]
            y = x
            for role in roles:
                y = vsa.bind(role, y)
            for role in reversed(roles):
                y = vsa.unbind(role, y)
            seen.append(float(_pair_similarities(vsa, y, x).mean()))
        mean, spread = float(np.mean(seen)), float(np.std(seen, ddof=1)) / np.sqrt(len(seen))
        slack = SIGMAS * spread + 8 / vsa.dim
        assert abs(mean - expected) <= slack, f"unbound {depth} deep: {mean:.4f}, promised {expected:.4f} ± {slack:.4f}"
    return None


def _depth(vsa: VSA) -> str | None:
    if not vsa.exact_unbind:
        return "unbinding is approximate by definition"
    x = vsa.random(3, seed=10)
    y = x
    for level in range(20):
        y = vsa.bind(vsa.role(level), y)
    for level in reversed(range(20)):
        y = vsa.unbind(vsa.role(level), y)
    _same(vsa, y, x, "unbinding twenty levels")
    return None


def _declared_algebra(vsa: VSA) -> str | None:
    if not vsa.binds_vectors:
        _raises(HDCError, lambda: vsa.bind(vsa.symbol("a"), vsa.symbol("b")), "binding two hypervectors")
        return None
    a, b = vsa.role("a"), vsa.role("b")
    if vsa.commutative:
        _same(vsa, vsa.bind(a, b), vsa.bind(b, a), "bind(a, b) and bind(b, a) of a commutative model")
    elif vsa.dim >= 256:
        assert not vsa.xp.all(vsa.bind(a, b) == vsa.bind(b, a)), "bind commutes, and the model says it does not"
    if vsa.self_inverse:
        _same(vsa, vsa.bind(a, vsa.bind(a, b)), b, "binding twice")
    c = vsa.role("c")
    nested, chained = vsa.bind(a, vsa.bind(b, c)), vsa.bind(vsa.bind(a, b), c)
    if vsa.associative:
        _same(vsa, chained, nested, "bind(bind(a, b), c) and bind(a, bind(b, c)) of an associative model")
    elif vsa.dim >= 256:
        alike = float(_pair_similarities(vsa, chained[None], nested[None])[0])
        assert alike <= 1 - ALIKE, f"bind associates (similarity {alike:.3f}), and the model says it does not"
    return None


def _unlike_operands(vsa: VSA) -> str | None:
    if vsa.dim < 64:
        return "chance similarity is too large at this dimension"
    roles, parts = _operands(vsa, 11)
    s = np.concatenate([_pair_similarities(vsa, vsa.bind(r, p), p) for r, p in zip(roles, parts, strict=True)])
    mean, limit = float(s.mean()), SIGMAS * (float(s.std()) / np.sqrt(len(roles)) + 1 / vsa.dim)
    assert abs(mean) <= limit, f"mean similarity of a bound vector with its operand {mean:.4f}, limit {limit:.4f}"
    return None


def _norms(vsa: VSA) -> str | None:
    if not vsa.isometric:
        return "binding does not keep similarities by definition"
    x = vsa.random(5, seed=31)
    y = x
    for level in range(20):
        y = vsa.bind(vsa.role(level), y)
    if _host(vsa, x).dtype.kind != "f":  # whose norms cannot drift; they still have a direction
        own = np.diagonal(_host(vsa, vsa.similarity(y, y)))
        _same(vsa, own, np.ones(5, np.float32), "similarity with itself of what was bound twenty times")
        return None
    norms = [np.linalg.norm(_host(vsa, z).astype(np.float64), axis=-1) for z in (x, y)]
    error = 20 * TOLERANCE[_host(vsa, x).dtype.itemsize]
    worst = float(np.abs(norms[1] / norms[0] - 1).max())
    assert worst <= error, f"twenty bindings change a norm by {worst:.3g} of it, more than {error:.3g}"
    return None


def _order(vsa: VSA) -> str | None:
    """Permutation must tell the operands of bind apart, or trigrams of a word's letters in any order are alike."""
    if vsa.dim < 256:
        return "chance similarity is too large at this dimension"
    roles, parts = _operands(vsa, 32)
    forms: dict[str, Callable[[Any, Array], Array]] = {
        "bind(a, permute(b))": lambda role, part: vsa.bind(role, vsa.permute(part)),
        "permute(bind(a, b))": lambda role, part: vsa.permute(vsa.bind(role, part)),
    }
    if vsa.binds_vectors:
        forms["bind(permute(a), b)"] = lambda role, part: vsa.bind(vsa.permute(role), part)
    found = {name: [form(role, part) for role, part in zip(roles, parts, strict=True)] for name, form in forms.items()}
    for one, other in itertools.combinations(found, 2):
        pairs = zip(found[one], found[other], strict=True)
        s = np.concatenate([_pair_similarities(vsa, a, b) for a, b in pairs])
        usual = float(np.median(np.abs(s.reshape(len(roles), -1).mean(axis=1))))  # a role of few may be the identity
        assert usual <= ALIKE, f"{one} and {other} are alike: similarity {usual:.3f}, limit {ALIKE}"
    return None


def _unrelated_bundles(vsa: VSA) -> str | None:
    if vsa.dim < 64:
        return "chance similarity is too large at this dimension"
    for n in range(1, 11):
        members = vsa.random(2 * n * UNRELATED, seed=33 + n).reshape(UNRELATED, 2, n, -1)
        bundles = vsa.bundle(members)
        _assert_mean(_pair_similarities(vsa, bundles[:, 0], bundles[:, 1]), 0.0, f"unrelated bundles of {n}")
    return None


def _bind_distributes(vsa: VSA) -> str | None:
    if not vsa.distributes:
        return "binding does not distribute over bundles by definition"
    role = _some_role(vsa)
    for n, weights in TIE_FREE.items():
        x = vsa.random(n, seed=12)
        expected = vsa.bundle(vsa.bind(role, x), weights)
        _same(vsa, vsa.bind(role, vsa.bundle(x, weights)), expected, f"bind of a bundle of {n}")
    return None


def _permute_distributes(vsa: VSA) -> None:
    for n, weights in TIE_FREE.items():
        x = vsa.random(n, seed=13)
        expected = vsa.bundle(vsa.permute(x, 3), weights)
        _same(vsa, vsa.permute(vsa.bundle(x, weights), 3), expected, f"permutation of a bundle of {n}")


def _bind_keeps_similarity(vsa: VSA) -> str | None:
    if not vsa.isometric:
        return "binding does not keep similarities by definition"
    role, x, y = _some_role(vsa), vsa.random(6, seed=14), _bundles(vsa, 4, seed=14)
    _same(vsa, vsa.similarity(vsa.bind(role, x), vsa.bind(role, y)), vsa.similarity(x, y), "similarity after bind")
    return None


def _permute_keeps_similarity(vsa: VSA) -> None:
    x, y = vsa.random(6, seed=15), _bundles(vsa, 4, seed=15)
    _same(vsa, vsa.similarity(vsa.permute(x, 5), vsa.permute(y, 5)), vsa.similarity(x, y), "similarity after permute")


def _permutation_group(vsa: VSA) -> None:
    x = _bundles(vsa, 3, seed=16)
    _same(vsa, vsa.permute(x, 0), x, "permute by 0")
    _same(vsa, vsa.permute(vsa.permute(x, 7), -7), x, "permute by 7 and back")
    _same(vsa, vsa.permute(vsa.permute(x, 2), 3), vsa.permute(x, 5), "permute by 2 and 3")
    _same(vsa, vsa.permute(vsa.permute(x)), vsa.permute(x, 2), "permute twice")


def _bundle_is_symmetric(vsa: VSA) -> None:
    x = vsa.random(6, seed=17)
    _same(vsa, vsa.bundle(vsa.xp.flip(x, axis=0)), vsa.bundle(x), "bundle in another order")
    _same(vsa, vsa.bundle(x[:1]), x[0], "bundle of one")


def _weights(vsa: VSA) -> None:
    x = vsa.random(3, seed=18)
    repeated = vsa.xp.concat([x[:1]] * 3 + [x[1:2]] * 2 + [x[2:]], axis=0)
    _same(vsa, vsa.bundle(x, [3, 2, 1]), vsa.bundle(repeated), "weights and repetitions")
    _same(vsa, vsa.bundle(x, [1, 0, 0]), x[0], "weights of zero")


def _bundle_resembles_members(vsa: VSA) -> str | None:
    if vsa.dim < 64:
        return "chance similarity is too large at this dimension"
    members = vsa.random(3 * 200, seed=19).reshape(200, 3, -1)
    bundles, strangers = vsa.bundle(members), vsa.random(200, seed=20)
    near, far = _pair_similarities(vsa, bundles, members[:, 0]), _pair_similarities(vsa, bundles, strangers)
    _assert_mean(far, 0.0, "similarity of a bundle with a stranger")
    gap = near.mean() - SIGMAS * near.std() / np.sqrt(200)
    assert gap > 0.2, f"mean similarity of a bundle of three with a member: {near.mean():.3f}"
    return None


def _no_wrapping(vsa: VSA) -> None:
    x = vsa.random(1, seed=21)
    many = vsa.bundle(vsa.xp.concat([x] * 1001, axis=0))
    twice = vsa.bundle(vsa.xp.stack([many, many, many]))
    if vsa.clips:
        _copies_end_at_the_limits(vsa, x[0], many, twice)
        return
    _same(vsa, vsa.similarity(many, x[0]), np.float32(1), "similarity of 1001 copies of an atom with it")
    _same(vsa, vsa.similarity(twice, x[0]), np.float32(1), "similarity of a bundle of such bundles with it")


def _copies_end_at_the_limits(vsa: VSA, x: Array, many: Array, twice: Array) -> None:
    """Check that copies keep all signs and more of them change little: nothing wraps, all that is large is cut."""
    one, copies, more = (_host(vsa, each).astype(np.float64) for each in (x, many, twice))
    assert (copies * one >= 0).all(), "1001 copies of an atom have other signs than it"
    assert np.abs(more).max() <= np.abs(copies).max() * (1 + TOLERANCE[2]), "bundles are not limited, and clips is true"
    if vsa.dim >= 64:
        near, still = (float(vsa.similarity(y, x)) for y in (many, twice))
        assert 0.5 < near < 1 - TOLERANCE[2], f"1001 copies of an atom have similarity {near:.3f}, and clips is true"
        assert abs(still - near) < 0.05, f"a bundle of such bundles has similarity {still:.3f}, not {near:.3f}"


def _batch_is_loop(vsa: VSA) -> None:
    role, x, y = _some_role(vsa), vsa.random(6, seed=22).reshape(2, 3, -1), vsa.random(4, seed=23)
    flat = x.reshape(6, -1)
    operations: dict[str, Callable[[Array], Array]] = {
        "bind": lambda z: vsa.bind(role, z),
        "unbind": lambda z: vsa.unbind(role, z),
        "permute": lambda z: vsa.permute(z, 9),
    }
    for what, operation in operations.items():
        _same(vsa, operation(x).reshape(6, -1), vsa.xp.stack([operation(z) for z in flat]), f"{what} of a batch")
    _same(vsa, vsa.bundle(x), vsa.xp.stack([vsa.bundle(z) for z in x]), "bundle of a batch")
    loop = np.array([[float(vsa.similarity(a, b)) for b in y] for a in flat], np.float32).reshape(2, 3, 4)
    _same(vsa, vsa.similarity(x, y), loop, "similarity of a batch")
    if vsa.binds_vectors:
        roles = vsa.xp.stack([vsa.role(i) for i in range(2)])[:, None]
        paired = vsa.xp.stack([vsa.bind(roles[i, 0], x[i]) for i in range(2)])
        _same(vsa, vsa.bind(roles, x), paired, "bind of broadcast batches")


def _empty_batches(vsa: VSA) -> None:
    none = vsa.random(0, seed=24)
    assert vsa.bind(_some_role(vsa), none).shape == (0, vsa.storage), "bind of an empty batch"
    assert vsa.permute(none).shape == (0, vsa.storage), "permute of an empty batch"
    assert vsa.bundle(none.reshape(0, 1, vsa.storage)).shape == (0, vsa.storage), "bundle of an empty batch"
    assert vsa.similarity(none, vsa.random(2, seed=24)).shape == (0, 2), "similarity of an empty batch"
    assert vsa.nearest(vsa.random(2, seed=24), none, 3)[1].shape == (2, 0), "nearest of no items"


def _inputs_untouched(vsa: VSA) -> None:
    x, role = vsa.random(4, seed=25), _some_role(vsa)
    expected, before = _everything(vsa, role, x), _host(vsa, x).copy()
    for what, given in _awkward(vsa, x).items():
        for name, result in _everything(vsa, role, given).items():
            _same(vsa, result, expected[name], f"{name} of {what} input")
        assert np.array_equal(_host(vsa, given), before), f"a {what} input was changed"
    for name, result in _everything(vsa, role, x).items():
        result[...] = 0
        assert np.array_equal(_host(vsa, x), before), f"{name} returns memory of its input"


def _awkward(vsa: VSA, x: Array) -> dict[str, Array]:
    """Return the same values in memory with gaps; for NumPy read-only, and byte-swapped too."""
    awkward = {"strided": vsa.xp.stack([x, x], axis=1)[:, 0]}
    if isinstance(x, np.ndarray):
        awkward["byte-swapped"] = x.astype(x.dtype.newbyteorder(">"))
        for given in awkward.values():
            given.flags.writeable = False
    return awkward


def _everything(vsa: VSA, role: Any, x: Array) -> dict[str, Array]:
    return {
        "bind": vsa.bind(role, x),
        "unbind": vsa.unbind(role, x),
        "bundle": vsa.bundle(x),
        "permute": vsa.permute(x, 1),
        "permute by 0": vsa.permute(x, 0),
        "similarity": vsa.similarity(x, x),
    }


def _nearest_is_similarity(vsa: VSA) -> None:
    items = vsa.xp.concat([vsa.random(30, seed=26)] * 2, axis=0)
    queries = vsa.random(32, seed=26)[25:]
    scores, indices = vsa.nearest(queries, items, 40)
    full = _host(vsa, vsa.similarity(queries, items)).astype(np.float32)
    _same(vsa, np.take_along_axis(full, _host(vsa, indices), axis=1), _host(vsa, scores), "scores of nearest")
    exact = np.lexsort((np.broadcast_to(np.arange(60), full.shape), -full), axis=1)[:, :40]
    _same(vsa, _host(vsa, indices), exact, "order of nearest, ties to the lower index")


def _running_bundle(vsa: VSA) -> None:
    x, y = vsa.random(7, seed=31), vsa.random(4, seed=32)
    running, other = Accumulator(vsa), Accumulator(vsa)
    running.add(x[2:6])
    other.add(y)
    other.add(x[:2])
    running.merge(other)
    running.add(x[6])
    _same(vsa, running.vector(), vsa.bundle(vsa.xp.concat([x, y])), "a running bundle against the bundle of all")
    with suppress(UnsupportedError):
        running.subtract(y)
        _same(vsa, running.vector(), vsa.bundle(x), "a running bundle from which members were taken out")


def _membership(vsa: VSA) -> str | None:
    if vsa.dim < 1000:
        return "three members and a hundred strangers need 1000 components"
    members, strangers = vsa.random(3, seed=27), vsa.random(100, seed=28)
    bundle = vsa.bundle(members)  # MAP-B's threshold 1/4 is 7.9 deviations 1/sqrt(1000): 1e-13 for all strangers
    assert vsa.contains(bundle, members, 3).all(), "a member was not found"
    assert not vsa.contains(bundle, strangers, 3).any(), "a stranger was found"
    return None


def _errors(vsa: VSA) -> None:
    x = vsa.random(2, seed=29)
    wide = vsa.xp.concat([x, x], axis=-1)
    _raises(DimensionError, lambda: vsa.bundle(wide), "an array of twice the width")
    _raises(DimensionError, lambda: vsa.bundle(x[0]), "a bundle of one vector without axis -2")
    _raises(EmptyBundleError, lambda: vsa.bundle(x[:0]), "an empty bundle")
    _raises(DTypeError, lambda: vsa.similarity(vsa.xp.astype(x, vsa.xp.complex64), x), "a complex array")
    _raises(DTypeError, lambda: vsa.permute([1, 2]), "a list")
    _raises(DTypeError, lambda: vsa.symbol(object()), "a name of no known type")
    _raises(DTypeError, lambda: vsa.symbols("abc"), "a string in place of names")
    other = from_spec(vsa.spec(), seed=vsa.seed + 1)
    _raises(MismatchError, lambda: vsa.check_same(other), "another seed")
    if not vsa.binds_vectors:
        _raises(MismatchError, lambda: vsa.bind(other.role("law"), x), "a role of another model")


def _identity(vsa: VSA) -> str | None:
    a, x = _some_role(vsa), vsa.random(4, seed=41)
    try:
        identity = vsa.identity
    except UnsupportedError as error:
        return str(error)
    inverse = vsa.inverse(a)
    assert identity.shape == (vsa.storage,), f"identity has shape {identity.shape}"
    _same(vsa, vsa.bind(identity, x), x, "binding with the identity")
    _same(vsa, vsa.unbind(identity, x), x, "unbinding with the identity")
    _same(vsa, vsa.inverse(identity), identity, "inverse of the identity")
    _same(vsa, vsa.bind(inverse, x), vsa.unbind(a, x), "binding with the inverse, and unbinding")
    _same(vsa, vsa.inverse(inverse), a, "inverse of the inverse")
    return None


def _powers(vsa: VSA) -> str | None:
    if not vsa.binds_vectors:
        return "operators have powers, role ** n"
    a = vsa.xp.stack([vsa.role(i) for i in range(3)])
    try:
        found = {n: vsa.power(a, n) for n in (-2, -1, 0, 1, 2, 3)}
    except UnsupportedError as error:
        return str(error)
    _same(vsa, found[0], vsa.xp.stack([vsa.identity] * 3), "power of 0")
    _same(vsa, found[1], a, "power of 1")
    _same(vsa, found[-1], vsa.inverse(a), "power of -1")
    _same(vsa, found[2], vsa.bind(a, a), "power of 2")
    if not vsa.exact_unbind:
        return None
    _same(vsa, vsa.bind(found[3], found[-2]), a, "powers of 3 and of -2, bound")
    if vsa.phases:
        roots = vsa.power(a, 0.5)
        alike = _pair_similarities(vsa, vsa.bind(roots, roots), a).min()
        assert alike > 0.85, f"two square roots bound have similarity {alike:.3f} with what they are roots of"
    return None


def _phases(vsa: VSA) -> str | None:
    """Check that sums of angles bind; integers are given angles that every even number of levels has."""
    if not vsa.phases:
        _raises(UnsupportedError, lambda: vsa.from_phases([0.0]), "angles for a model that makes none of them")
        return "the model makes no vectors of angles"
    rng = np.random.default_rng(42)
    a, b = rng.uniform(-np.pi, np.pi, (2, 200, vsa.phases))

    def made(angles: npt.NDArray[np.float64]) -> Array:
        return vsa.from_phases(vsa.kernels.arrays.from_numpy(angles))

    _same(vsa, made(0 * a[0]), vsa.identity, "no angles, and the identity")
    if vsa.dim >= 64:
        off = _pair_similarities(vsa, made(a), made(b)) - np.cos(a - b).mean(axis=1)
        _assert_mean(off, 0.0, "similarity less the mean cosine of differences", 2 / vsa.dim)
    if _host(vsa, vsa.identity).dtype.kind != "f":
        a, b = np.pi * np.rint(a), np.pi * np.rint(b)
    _same(vsa, vsa.bind(made(a), made(b)), made(a + b), "sums of angles")
    return None


def _normalizes(vsa: VSA) -> str | None:
    fixed = vsa.xp.stack([vsa.role(i) for i in range(3)]) if vsa.binds_vectors else vsa.random(3, seed=43)
    try:
        same = vsa.normalize(fixed)
    except UnsupportedError as error:
        return str(error)
    if vsa.exact_unbind:
        _same(vsa, same, fixed, "normalized roles")
    for n, weights in TIE_FREE.items():
        members = vsa.random(n, seed=44)
        bundle = vsa.bundle(members, weights)
        once = vsa.normalize(bundle)
        _same(vsa, vsa.normalize(once), once, f"a bundle of {n} normalized twice")
        if vsa.binds_vectors and vsa.exact_unbind:
            moved = vsa.normalize(vsa.bind(fixed[0], bundle))
            _same(vsa, moved, vsa.bind(fixed[0], once), f"a bound bundle of {n}, normalized")
        if vsa.dim >= 256:
            near = _host(vsa, vsa.similarity(once, members)).mean()
            assert near > 0.2, f"a normalized bundle of {n} has similarity {near:.3f} with its members"
    return None


def _scores(vsa: VSA) -> str | None:
    """Strangers must score above members as often as the model's moments say, and means be where they say."""
    try:
        sizes = [size for size in SIZES if _separation(vsa.scores(size)) > FEW]
    except UnsupportedError as error:
        return str(error)
    if vsa.dim < 64 or not sizes:
        return "chance similarity is too large at this dimension"
    size, some = sizes[-1], min(16, sizes[-1])
    wins, hits = [], []
    for number in range(UNRELATED):
        x = vsa.random(size + some, seed=1000 + number)
        s = _host(vsa, vsa.similarity(vsa.bundle(x[:size]), x[size - some :])).astype(np.float64)
        members, strangers = s[:some, None], s[some:]
        wins.append(((strangers > members) + (strangers == members) / 2).mean())
        hits.append(members.mean())
    moments, beaten = vsa.scores(size), f"a stranger above a member of {size}"
    _assert_mean(np.array(wins), _normal_tail(_separation(moments)), beaten, APPROXIMATE)
    expected = float(moments.hit_mean)
    _assert_mean(np.array(hits), expected, f"a member of {size}", 4 / vsa.dim + APPROXIMATE * expected)
    return None


def _separation(moments: Moments) -> float:
    hit, hit_sd, other, other_sd = (float(x) for x in moments)
    return (hit - other) / math.hypot(hit_sd, other_sd)


def _normal_tail(distance: float) -> float:
    return math.erfc(distance / math.sqrt(2)) / 2


def _agrees_with_numpy(vsa: VSA) -> str | None:
    if vsa.kernels.name == "numpy":
        return "this is the reference backend"
    try:
        reference = vsa.with_backend("numpy")
    except ParameterError as error:
        return f"the reference has no such model: {error}"
    x, y, role = vsa.random(7, seed=30), reference.random(7, seed=30), _some_role(vsa)
    assert_same(vsa.to_numpy(x), y, "atoms")
    expected = _everything(reference, reference.role("law"), y)
    for name, result in _everything(vsa, role, x).items():
        mine = _host(vsa, result) if name == "similarity" else vsa.to_numpy(result)
        assert_same(mine, expected[name], f"{name} against the numpy backend")
    (scores, indices), (expected_scores, expected_indices) = vsa.nearest(x, x, 7), reference.nearest(y, y, 7)
    assert_same(_host(vsa, scores), expected_scores, "scores of nearest against the numpy backend")
    if y.dtype.kind == "f":  # rounding may order what is equal but for it
        similarity = np.take_along_axis(expected["similarity"], _host(vsa, indices), axis=1)
        assert_same(similarity, expected_scores, "items of nearest against the numpy backend")
    else:
        assert_same(_host(vsa, indices), expected_indices, "nearest against the numpy backend")
    weights = [3, -1, 4, 1, 5, 9, 2]
    if vsa.model != "Bloom":
        mine = vsa.to_numpy(vsa.bundle(x, weights))
        assert_same(mine, reference.bundle(y, weights), "weighted bundle against numpy")
    return None


LAWS: dict[str, Law] = {
    "spec": _spec,
    "layout": _layout,
    "determinism": _determinism,
    "names": _names,
    "self-similarity": _self_similarity,
    "quasi-orthogonality": _quasi_orthogonality,
    "inverse": _inverse,
    "depth": _depth,
    "declared-algebra": _declared_algebra,
    "unlike-operands": _unlike_operands,
    "order": _order,
    "norms": _norms,
    "bind-distributes": _bind_distributes,
    "permute-distributes": _permute_distributes,
    "bind-keeps-similarity": _bind_keeps_similarity,
    "permute-keeps-similarity": _permute_keeps_similarity,
    "permutation-group": _permutation_group,
    "bundle-is-symmetric": _bundle_is_symmetric,
    "weights": _weights,
    "running-bundle": _running_bundle,
    "bundle-resembles-members": _bundle_resembles_members,
    "unrelated-bundles": _unrelated_bundles,
    "no-wrapping": _no_wrapping,
    "batch-is-loop": _batch_is_loop,
    "empty-batches": _empty_batches,
    "inputs-untouched": _inputs_untouched,
    "nearest-is-similarity": _nearest_is_similarity,
    "membership": _membership,
    "identity": _identity,
    "powers": _powers,
    "phases": _phases,
    "normalizes": _normalizes,
    "scores": _scores,
    "errors": _errors,
    "agrees-with-numpy": _agrees_with_numpy,
}
