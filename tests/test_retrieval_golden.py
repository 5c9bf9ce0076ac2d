"""Golden values of binary codes: what a model makes of a vector may never change within a major version.

Where a fit depends on the library of linear algebra (signs of eigenvectors), the model is put together by hand.
``python -m tests.test_retrieval_golden`` writes the file anew, which breaks every saved model and index.
"""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from hdc.apps.retrieval.binarizers import RaBitQBinarizer, RecurrentBinarizer, SignBinarizer
from hdc.apps.retrieval.binarizers.base import blocks, byte_tables, sign_tables
from hdc.apps.retrieval.binarizers.bebr.decoder import TableDecoder, fit_tables, linear_tables, metric_of
from hdc.apps.retrieval.binarizers.bebr.recurrence import initial, least_squares, regressed, unit
from hdc.apps.retrieval.binarizers.bebr.validation import Progress, Validation
from hdc.apps.retrieval.binarizers.sign import mean_of
from hdc.errors import ParameterError

GOLDEN = Path(__file__).parent / "golden" / "retrieval.json"


def waves(n, d, phase=0.0):
    """Return ``(n, d)`` float32 rows without a generator, whose stream a library may change."""
    i, j = np.arange(n)[:, None] + 1.0, np.arange(d)[None] + 1.0
    return (np.sin(i * j * 0.7 + phase) + 0.3 * np.cos(i * i * 0.13 * j) + 0.2).astype(np.float32)


X = waves(60, 40)
QUERIES = waves(3, 40, 0.5)


def sign(center=True, **parameters):
    """Return a model as it was saved before there were metrics, which takes vectors as they are."""
    model = SignBinarizer(backend="numpy", center=center, **parameters)
    model._set_state({"mean": mean_of(X) * np.float32(center)})
    return model


def rabitq(bits=1):
    model = RaBitQBinarizer(backend="numpy", component_bits=bits)
    arrays = {"directions": np.zeros((1, 40), np.int8), "lengths": np.zeros(1, np.float32)}
    model._set_state({"mean": mean_of(X), **arrays})
    return model


def lists(bits=1):
    """Return a RaBitQ model of three lists put together by hand."""
    model = RaBitQBinarizer(lists=3, seed=5, backend="numpy", component_bits=bits)
    directions = np.rint(100 * waves(3, 40, 1.0)).astype(np.int8)
    model._set_state({"mean": X.mean(axis=0), "directions": directions, "lengths": np.float32([0.01, 0.004, 0.002])})
    model._prepare()
    return model


def recurrent(loops, dim=64, **parameters):
    """Return a BEBR model put together by hand."""
    arrays = {"project.weight": waves(40, dim, 2.0), "project.bias": waves(1, dim, 3.0)[0] / 9}
    for i in range(loops):
        arrays |= {f"decode.{i}.weight": waves(dim, 40, 4.0 + i), f"decode.{i}.bias": waves(1, 40)[0]}
        arrays |= {f"correct.{i}.weight": waves(40, dim, 5.0 + i), f"correct.{i}.bias": waves(1, dim)[0] / 50}
    groups = (loops + 1) * dim // 4
    metric = np.eye(40, dtype=np.float32) + waves(40, 1) @ waves(40, 1).T / 50
    arrays |= {"mean": X.mean(axis=0), "metric": metric, "tables": waves(16 * groups, 40, 6.0) / 4}
    model = RecurrentBinarizer(dim=dim, loops=loops, backend="numpy", **parameters)
    model._set_state({**arrays, "scalars": np.array([0.03, 0.5])})
    return model


MODELS = {
    "sign": lambda: sign(),
    "sign, wide": lambda: sign(dim=100, seed=3),
    "sign, plain": lambda: sign(dim=37, rotate=False, center=False),
    "rabitq": rabitq,
    "rabitq, lists": lists,
    "rabitq, four bits": lambda: rabitq(4),
    "rabitq, lists of nine bits": lambda: lists(9),
    "hash": lambda: recurrent(0, rounds=0),
    "recurrent": lambda: recurrent(2, rounds=0),
    "recurrent, wide": lambda: recurrent(1, dim=128, rounds=0),
    "refined": lambda: recurrent(0, rounds=1, steps=3),
}


def _parts(record):
    return list(record) if isinstance(record, tuple) else [getattr(record, f.name) for f in dataclasses.fields(record)]


def made(name):
    """Return codes of 60 vectors as text, scores, and what the model says of itself."""
    model = MODELS[name]()
    codes = model.transform(X)
    found = {
        "codes": ["".join(f"{word:016x}" for word in row) for row in codes.tolist()],
        "scores": model.scores(QUERIES, codes[:9]).tolist(),
        "search": model.search(QUERIES, codes, 4)[1].tolist(),
        "sizes": [model.words, model.bits, model.bytes_per_vector, model.dim_, model.levels],
    }
    assert np.array_equal(model.search(QUERIES, codes, 1)[1], model.search(QUERIES, codes, 4)[1][:, :1])
    assert model.search(QUERIES, codes)[1].shape == (3, 10)
    if model.symmetric:
        found["symmetric"] = model.scores(codes[:3], codes[:9]).tolist()
        found["of floats"] = model.scores(QUERIES, codes[:9], asymmetric=False).tolist()
    if isinstance(model, RaBitQBinarizer):
        found["bound"] = model.error_bound(QUERIES, codes[:9]).tolist()
        factors = model.factors(codes)
        known = factors.scale, factors.offset, factors.norm, factors.fit, factors.cells
        found["factors"] = [np.asarray(factor[::7], np.float64).tolist() for factor in known]
        asked = model.asked(QUERIES, 2)
        found["asked"] = [np.asarray(part, np.float64).tolist() for part in _parts(asked)]
    if isinstance(model, RecurrentBinarizer):
        found["decoded"] = model.decode(codes[:4]).sum(axis=1).tolist()
    return found


def written():
    return {name: made(name) for name in MODELS}


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", MODELS)
def test_codes_and_scores(golden, name):
    found = made(name)
    assert sorted(found) == sorted(golden[name])
    for part, expected in golden[name].items():
        if part in ("codes", "search", "sizes"):
            assert found[part] == expected, part
        elif part in ("factors", "asked"):
            for one, other in zip(found[part], expected, strict=True):
                np.testing.assert_allclose(one, other, rtol=2e-3, atol=1e-5)
        else:
            np.testing.assert_allclose(found[part], expected, rtol=1e-4, atol=1e-4)


# ---------------------------------------------------------------------- what a fit computes, in a second way


def test_lists_that_are_found():
    """Clusters apart become lists, and a center is as long as its vectors reach along it on average."""
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((4, 24))
    x = np.repeat(centers, 50, axis=0).astype(np.float32)
    x += 0.01 * rng.standard_normal(x.shape).astype(np.float32)
    model = RaBitQBinarizer(lists=4, backend="numpy", metric="ip").fit(x)
    cells = model.cells(model.transform(x)).reshape(4, 50)
    assert all(len(set(row)) == 1 for row in cells.tolist())
    assert len(set(cells[:, 0].tolist())) == 4
    found = (model.directions_ * model.lengths_[:, None])[cells[:, 0]]
    scale = model.space_.scale
    np.testing.assert_allclose(found / scale, centers, atol=0.04)
    assert model.longest_center / scale == pytest.approx(np.linalg.norm(centers, axis=1).max(), rel=0.01)


def test_few_components_and_few_lists():
    x = waves(20, 2)
    assert RaBitQBinarizer(backend="numpy").fit(x).dim_ == 2
    with pytest.raises(ParameterError, match="at least 2 components"):
        RaBitQBinarizer(backend="numpy").fit(x[:, :1])
    model = RaBitQBinarizer(lists=2, backend="numpy").fit(waves(20, 8))
    assert (model.lists_, model.words) == (2, 3)
    assert np.abs(model.directions_).max(axis=1).min() > 0


def test_a_vector_that_is_the_center_has_no_signs():
    model = rabitq()
    code = model.transform(model.mean_[None])
    assert not model.signs(code).any()
    assert model.factors(code).norm == 0


def test_the_first_projection_is_on_principal_axes():
    """As many as there is room for, turned at random, of the unit vectors less their mean."""
    f = X / np.linalg.norm(X, axis=1, keepdims=True)
    mean = f.mean(axis=0)
    axes = np.linalg.eigh(np.cov(f.T.astype(np.float64)))[1][:, ::-1]
    for dim in (6, 40):
        maps = initial(X, dim, 0, 0)
        weight = maps.project.weight.astype(np.float64)
        np.testing.assert_allclose(weight @ weight.T, axes[:, :dim] @ axes[:, :dim].T, atol=1e-3)
        np.testing.assert_allclose(maps.project.bias, -mean @ weight, atol=1e-4)
    wide = initial(X, 100, 0, 0).project.weight
    for block in (wide[:, :40], wide[:, 40:80]):
        np.testing.assert_allclose(block @ block.T, np.eye(40), atol=1e-4)


def test_what_a_fit_weighs_and_holds_out():
    few = unit(X[:40])  # of which none are held out
    model = RecurrentBinarizer(dim=64, rounds=0, backend="numpy").fit(few)
    spread = ((few - few.mean(axis=0)) ** 2).sum(axis=1).mean()
    assert model.decoder_.parallel == pytest.approx(4 / spread, rel=1e-4)
    sizes = {n: Validation.draw(waves(n, 3), np.random.default_rng(0)) for n in (50, 51, 200)}
    assert [len(v.queries) for v in sizes.values()] == [0, 1, 4]
    assert [len(v.training) for v in sizes.values()] == [50, 50, 196]
    progress = Progress("round", 3, 9)
    assert [(progress.goes_on(), progress.step(recall)) for recall in (0.5, 0.4, 0.6)] == [
        (True, True),
        (True, False),
        (True, True),
    ]
    assert not progress.goes_on()
    assert (progress.best, progress.best_at) == (0.6, 3)
    patient = Progress("round", 9, 2)
    steps = [patient.step(recall) for recall in (0.5, 0.5, 0.5)]
    assert (steps, patient.goes_on()) == ([True, False, False], False)


def ridge(x, y, amounts):
    """Solve least squares with a penalty of so much for each row of the solution, by rows that are appended."""
    below = np.diag(np.sqrt(amounts))
    return np.linalg.lstsq(np.concatenate([x, below]), np.concatenate([y, np.zeros((x.shape[1], y.shape[1]))]))[0]


def test_least_squares_maps():
    x, y = waves(90, 7).astype(np.float64), waves(90, 3, 1.0).astype(np.float64)
    fitted = least_squares(x.astype(np.float32), y.astype(np.float32))
    centered = x - x.mean(axis=0)
    weight = ridge(centered, y - y.mean(axis=0), np.full(7, 1e-3 * (centered**2).sum() / 7))
    np.testing.assert_allclose(fitted.weight, weight, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(fitted.bias, y.mean(axis=0) - x.mean(axis=0) @ weight, rtol=1e-3, atol=1e-5)


def test_regressed_maps_are_least_squares_one_loop_after_another():
    x, signs = waves(80, 6), np.where(waves(80, 15, 1.0).reshape(80, 3, 5) > 0.2, 1, -1).astype(np.float32)
    maps = regressed(x, signs)
    f, value = x / np.linalg.norm(x, axis=1, keepdims=True), signs[:, 0]
    np.testing.assert_allclose(maps.project.weight, least_squares(f, value).weight, atol=1e-4)
    for i, scale in enumerate((0.5, 0.25)):
        decode = least_squares(value, f)
        np.testing.assert_allclose(maps.decode[i].weight, decode.weight, atol=1e-4)
        correct = least_squares(f - unit(decode(value)), signs[:, i + 1])
        np.testing.assert_allclose(maps.correct[i].weight, correct.weight, rtol=1e-2, atol=1e-2)
        value = value + np.float32(scale) * signs[:, i + 1]
    assert len(maps.decode) == len(maps.correct) == 2


def test_linear_tables_are_signed_sums_of_least_squares():
    x, signs = waves(70, 5) - 0.2, np.where(waves(70, 8, 1.0) > 0.2, 1, -1).astype(np.float32)
    columns = ridge(signs, x, np.full(8, 3.0))
    tables = linear_tables(x, signs).reshape(16, 2, 5)
    for value in range(16):
        for group in range(2):
            bits = [1 if value >> b & 1 else -1 for b in range(4)]
            expected = np.array(bits) @ columns[4 * group : 4 * group + 4]
            np.testing.assert_allclose(tables[value, group], expected, atol=1e-4)


@pytest.mark.parametrize("whitening", [0.0, 0.25, 1.0])
def test_the_metric_is_a_power_of_the_covariance(whitening):
    x = waves(90, 5) - waves(90, 5).mean(axis=0)
    x[:, 4] = 0  # an axis without variance counts as one of a millionth of the greatest
    metric = metric_of(x, whitening).astype(np.float64)
    covariance = (x.T @ x).astype(np.float64) / 90
    values, axes = np.linalg.eigh(covariance)
    values = np.maximum(values, 1e-6 * values.max())
    power = (axes * values ** (whitening / 2)) @ axes.T
    np.testing.assert_allclose(metric / metric[0, 0], power / power[0, 0], rtol=1e-3, atol=1e-5)
    # (M x).(M x) is on average what x.x is
    assert np.trace(metric @ metric @ covariance) == pytest.approx(np.trace(covariance), rel=1e-3)


def objective(tables, x, codes, decoder, before):
    """Return the sum of what :mod:`~hdc.apps.retrieval.binarizers.bebr.decoder` minimizes, and the regularization."""
    rows = tables.reshape(16, codes.shape[1], -1)
    centered = (x - decoder.mean).astype(np.float64)
    decoded = sum(rows[codes[:, g], g] for g in range(codes.shape[1]))
    errors = centered - decoded
    change = (tables - before) @ decoder.metric
    return (
        ((errors @ decoder.metric) ** 2).sum()
        + decoder.parallel * (np.einsum("nd,nd->n", errors, centered) ** 2).sum()
        + 3.0 * (change**2).sum()
    )


def test_fitted_tables_go_to_the_least_of_the_objective():
    """From four steps of conjugate gradients, on a quadratic of few directions, nothing is left to gain nearby."""
    x, codes = waves(40, 4), (np.arange(80).reshape(40, 2) * 7 % 16).astype(np.uint8)
    tables = (waves(32, 4, 2.0) / 5).astype(np.float32)
    metric = np.diag(np.float32([1.0, 1.1, 0.9, 1.0]))
    decoder = TableDecoder(x.mean(axis=0), metric, 0.0, tables, "numpy")
    fitted = fit_tables(x, codes, decoder).tables.astype(np.float64)
    least = objective(fitted, x, codes, decoder, tables)
    assert least < objective(tables.astype(np.float64), x, codes, decoder, tables)
    for row in (0, 9, 31):
        for step in (-0.05, 0.05):
            moved = fitted.copy()
            moved[row] += step
            assert objective(moved, x, codes, decoder, tables) > least
    tilted = TableDecoder(decoder.mean, metric, 0.3, tables, "numpy")
    pulled = fit_tables(x, codes, tilted).tables.astype(np.float64)
    assert objective(pulled, x, codes, tilted, tables) < objective(fitted, x, codes, tilted, tables)


def test_tables_look_sums_of_signs_up():
    weights = waves(2, 16).astype(np.float32)
    tables = byte_tables(sign_tables(weights))
    assert tables.shape == (2, 2, 256)
    for value in (0, 1, 2, 77, 128, 255):
        for half in range(2):
            bits = [1 if value >> b & 1 else -1 for b in range(8)]
            expected = weights[:, 8 * half : 8 * half + 8] @ np.array(bits)
            np.testing.assert_allclose(tables[:, half, value], expected, atol=1e-5)


def test_blocks_take_at_most_their_bytes(monkeypatch):
    monkeypatch.setattr("hdc.apps.retrieval.binarizers.base.BLOCK_BYTES", 100)
    assert list(blocks(7, 30)) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert list(blocks(2, 101)) == [slice(0, 1), slice(1, 2)]
    assert list(blocks(3, 0)) == [slice(0, 3)]
    assert list(blocks(0, 1)) == []


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(written(), separators=(",", ":")) + "\n", encoding="utf-8")
