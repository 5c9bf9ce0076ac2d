"""Gradient training against NumPy: codes, the loss of a batch, the gradient of a sign, the recall of an epoch."""

import math

import numpy as np
import pytest

from hdc.apps.retrieval.binarizers import RecurrentBinarizer
from hdc.apps.retrieval.binarizers.bebr import training
from hdc.apps.retrieval.binarizers.bebr.recurrence import initial, unit
from hdc.apps.retrieval.binarizers.bebr.validation import Validation
from tests.test_retrieval_golden import waves

torch = pytest.importorskip("torch", reason="torch is not installed: gradient training cannot be tested")

X = waves(30, 6)
SETTINGS = {"epochs": 1, "loops": 1, "patience": 1, "temperature": 0.2, "learning_rate": 1e-3}
SETTINGS |= {"negatives": 4, "queue": 8, "device": "cpu", "seed": 0}


def trainer(old=None, **changes):
    settings = training.Settings(**{**SETTINGS, **changes})
    return training._Trainer(torch, initial(X, 12, settings.loops, 0), X, old, settings)


def codes(one):
    """Return the unit components of all rows by the maps that the trainer has."""
    return unit(np.einsum("nld,l->nd", one.maps().signs(X), np.float32([1, 0.5])))


def contrast(rows, own, positive_rows, positives, key_rows, keys, settings):
    """Return the mean cross-entropy of softmaxes over the positive and the hardest keys, row by row."""
    f, losses = unit(X).astype(np.float64), []
    for row, code, positive_row, positive in zip(rows, own, positive_rows, positives, strict=True):
        scores = np.where(key_rows == row, -1e9, keys @ code)
        hardest = np.argsort(-scores, kind="stable")[: min(settings["negatives"], len(keys))]
        logits = np.array([code @ positive, *(keys[hardest] @ code)]) / settings["temperature"]
        target = np.array([f[row] @ f[positive_row], *(f[key_rows[hardest]] @ f[row])]) / settings["temperature"]
        weights = np.exp(target - target.max())
        shares = logits - logits.max() - math.log(np.exp(logits - logits.max()).sum())
        losses.append(-(weights / weights.sum() * shares).sum())
    return np.mean(losses)


@pytest.mark.slow
@pytest.mark.parametrize("compatible", [False, True])
def test_the_loss_of_torch_is_that_of_numpy(compatible):
    signs = np.where(waves(30, 24, 3.0).reshape(30, 2, 12) > 0.2, 1, -1).astype(np.float32)
    one = trainer(signs if compatible else None)
    every = codes(one).astype(np.float64)
    anchors, positives, queue = np.array([0, 3, 7, 9]), np.array([1, 4, 7, 2]), np.array([5, 0, 6])
    earlier = torch.from_numpy(every[queue].astype(np.float32))
    loss, seen = one._loss(anchors, positives, queue, earlier)
    np.testing.assert_allclose(seen.numpy(), every[anchors], atol=1e-5)
    a_rows, p_rows = np.concatenate([anchors, queue]), np.concatenate([positives, queue])
    a, p = every[anchors], every[positives]
    expected = contrast(anchors, a, positives, p, p_rows, every[p_rows], SETTINGS)
    expected += contrast(positives, p, anchors, a, a_rows, every[a_rows], SETTINGS)
    if compatible:
        old = unit(np.einsum("nld,l->nd", signs, np.float32([1, 0.5]))).astype(np.float64)
        expected += contrast(anchors, a, anchors, old[anchors], a_rows, old[a_rows], SETTINGS)
        expected += contrast(anchors, a, positives, old[positives], p_rows, old[p_rows], SETTINGS)
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("compatible", [False, True])
def test_the_loss_with_prefixes_in_torch_is_the_sum_of_those_of_cut_codes(compatible):
    signs = np.where(waves(30, 12, 3.0)[:, None] > 0.2, 1, -1).astype(np.float32)
    old = signs if compatible else None
    one, alone = trainer(old, loops=0, prefixes=(4, 8)), trainer(old, loops=0)
    rows = np.array([0, 3, 7, 9]), np.array([1, 4, 7, 2]), np.array([5, 0, 6])
    every = one._codes(np.arange(len(X))).detach()
    np.testing.assert_allclose(every, unit(one.maps().signs(X)[:, 0]), atol=1e-6)
    together, seen = one._loss(*rows, every[rows[2]])
    whole, same = alone._loss(*rows, every[rows[2]])
    assert torch.equal(seen, same)
    parts = [float(whole.detach())]
    for size in (4, 8):
        cut = trainer(None if old is None else old[..., :size], loops=0)
        # The same arithmetic, so that of equal scores the same are the hardest: short codes have many, and ties go by
        # the last digit, which processors round differently.
        cut._codes = lambda chosen, size=size: torch.nn.functional.normalize(every[chosen][:, :size], dim=1)
        if compatible:
            torch.testing.assert_close(cut._old, shorter := torch.nn.functional.normalize(one._old[:, :size], dim=1))
            cut._old = shorter
        parts.append(float(cut._loss(*rows, cut._codes(rows[2]))[0]))
    assert float(together.detach()) == pytest.approx(sum(parts), rel=1e-4)


@pytest.mark.slow
def test_prefixes_trained_in_torch_find_more_than_cut_codes():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((30, 128))[rng.integers(0, 30, 1500)] + rng.standard_normal((1500, 128))
    x = unit((x * 0.97 ** np.arange(128)).astype(np.float32))
    base, queries = x[:1300], x[1300:]
    truth = np.argsort(-(queries @ base.T), axis=1)[:, :10]

    def recall(prefixes):
        model = RecurrentBinarizer(dim=256, prefixes=prefixes, rounds=0, epochs=3, queue=512).fit(base)
        asked, codes = (model.transform(rows)[:, :1] for rows in (queries, base))
        found = RecurrentBinarizer(dim=64, rounds=0).fit(base).search(asked.copy(), codes.copy(), 10)[1]
        return np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found.tolist(), truth.tolist(), strict=True)])

    assert recall((64,)) > recall(()) + 0.02


def test_the_gradient_of_a_sign_in_torch_is_one_near_zero():
    x = torch.tensor([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5], requires_grad=True)
    signs = training._straight_through(torch)(x)
    signs.sum().backward()
    assert signs.tolist() == [-1, -1, -1, -1, 1, 1, 1]
    assert x.grad.tolist() == [0, 1, 1, 1, 1, 1, 0]


def test_maps_start_at_a_spread_of_one_in_torch():
    """A projection is scaled so that gradients flow through its signs, which stay."""
    one, maps = trainer(), initial(X, 12, 1, 0)
    assert np.std(one.maps().project(unit(X))) == pytest.approx(1, rel=1e-4)
    np.testing.assert_array_equal(one.maps().signs(X), maps.signs(X))
    np.testing.assert_array_equal(one.maps().decode[0].weight, maps.decode[0].weight)


def test_epochs_of_torch_are_the_same_again_and_another_each_time():
    first, again, other = trainer(), trainer(), trainer()
    first.epoch(0)
    again.epoch(0)
    other.epoch(1)
    weights = [one.maps().project.weight for one in (first, again, other)]
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])
    assert not np.array_equal(weights[0], trainer().maps().project.weight)


def test_positives_of_torch_training_are_the_nearest_others():
    f = unit(X)
    scores = f @ f.T
    np.fill_diagonal(scores, -np.inf)
    found = training._neighbors(f)
    assert found.shape == (30, min(training.POSITIVES, 29))
    for row, near in zip(scores, found, strict=True):
        assert set(near.tolist()) == set(np.argsort(-row)[: len(near)].tolist())


def test_the_recall_of_a_torch_epoch_is_of_new_codes_and_of_old_ones():
    validation = Validation.draw(waves(120, 6), np.random.default_rng(0))
    x = waves(120, 6)[validation.training]
    maps = initial(x, 12, 0, 0)
    own = training._components(maps.signs(x))
    alone = training._recall(maps, x, None, validation)
    assert alone == validation.recall_of(training._components(maps.signs(validation.queries)) @ own.T)
    old = training._components(np.where(waves(len(x), 12, 2.0) > 0, 1, -1).astype(np.float32)[:, None])
    apart = validation.recall_of(training._components(maps.signs(validation.queries)) @ old.T)
    assert training._recall(maps, x, old, validation) == pytest.approx((alone + apart) / 2)
    assert alone != apart


def test_torch_trains_on_the_best_device_unless_one_is_named():
    assert trainer(device="auto")._device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert trainer(device="cpu")._device.type == "cpu"
