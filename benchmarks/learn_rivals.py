"""Other classifiers on the tables of the learning benchmarks: scikit-learn's, and the methods of torchhd.

Each rival is a function of training table, test table and a random state to the predicted labels of the test table.
What it learns its parameters from is the training table alone.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from learn_data import Table
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from sklearn.svm import SVC
from torchhd import classifiers

Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Rival = Callable[[Table, Table, int], Labels]

DIM = 2000
EPOCHS = 10
BATCH = 64
SEARCHED = 1000
"""Rows, at most, on which parameters are chosen."""

INNER = 3
"""Folds of the choice."""


def some_rows(labels: Labels, most: int, seed: int) -> Labels:
    """Return at most so many rows at random, but at least ``INNER`` of each class, in order."""
    order = np.random.default_rng(seed).permutation(len(labels))
    few = [order[labels[order] == label][:INNER] for label in np.unique(labels)]
    kept = np.unique(np.concatenate(few))
    others = np.setdiff1d(order[: max(0, most)], kept, assume_unique=True)
    return np.sort(np.concatenate([kept, others[: max(0, most - len(kept))]]))


def flat(train: Table, test: Table, category: float = 1.0) -> tuple[Floats, Floats]:
    """Return all columns as numbers: standardized on the training part, and one of ``category`` for each category."""
    center, spread = train.numbers.mean(axis=0), train.numbers.std(axis=0)
    parts = [[(t.numbers - center) / np.where(spread > 0, spread, 1.0)] for t in (train, test)]
    if train.categories.shape[1]:
        coder = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(train.categories)
        for part, table in zip(parts, (train, test), strict=True):
            part.append(coder.transform(table.categories) * category)
    first, second = (np.concatenate(part, axis=1).astype(np.float32) for part in parts)
    return first, second


def shares(train: Table, test: Table) -> tuple[Floats, Floats]:
    """Return all columns as numbers from 0 to 1 of the range of the training part."""
    first, second = flat(train, test)
    low, width = first.min(axis=0), np.ptp(first, axis=0)
    width = np.where(width > 0, width, 1)
    return (first - low) / width, np.clip((second - low) / width, 0, 1)


# ---------------------------------------------------------------------- scikit-learn


def _searched(model: Any, grid: dict[str, list[Any]], x: Floats, y: Labels, seed: int) -> Any:
    """Return the model, fitted on all rows, with the parameters that are best on a part of them."""
    rows = some_rows(y, SEARCHED, seed)
    folds = StratifiedKFold(INNER, shuffle=True, random_state=seed)
    search = GridSearchCV(model, grid, cv=folds, refit=False).fit(x[rows], y[rows])
    return model.set_params(**search.best_params_).fit(x, y)


def logistic(train: Table, test: Table, seed: int) -> Labels:
    """Predict by logistic regression; C by inner cross-validation."""
    x, new = flat(train, test)
    model = _searched(LogisticRegression(max_iter=300, tol=1e-3), {"C": [0.01, 0.1, 1, 10]}, x, train.labels, seed)
    return np.asarray(model.predict(new))


def rbf_svm(train: Table, test: Table, seed: int) -> Labels:
    """Predict by a support vector machine with Gaussian kernel; C and gamma by inner cross-validation."""
    x, new = flat(train, test)
    unit = 1.0 / max(float(x.var(axis=0).sum()), 1e-9)
    grid = {"C": [1, 10, 100], "gamma": [unit * factor for factor in (0.125, 0.5, 2, 8)]}
    return np.asarray(_searched(SVC(cache_size=500), grid, x, train.labels, seed).predict(new))


def boosting(train: Table, test: Table, seed: int) -> Labels:
    """Predict by gradient boosting of trees on histograms, as it comes; categories by its own means."""
    x, new, q = train.numbers, test.numbers, train.categories.shape[1]
    if q:
        coder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan).fit(train.categories)
        x, new = (np.concatenate([t.numbers, coder.transform(t.categories)], axis=1) for t in (train, test))
    marks = [False] * train.numbers.shape[1] + [True] * q
    model = HistGradientBoostingClassifier(categorical_features=marks, random_state=seed)
    return np.asarray(model.fit(x, train.labels).predict(new))


# ---------------------------------------------------------------------- torchhd


def _batches(x: Any, labels: Labels, seed: int) -> list[tuple[Any, Any]]:
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(labels)))
    known = torch.from_numpy(labels)
    return [(x[rows], known[rows]) for rows in order.split(BATCH)]


def _in_batches(function: Callable[[Any], Any], x: Any) -> Any:
    """Apply to few rows at a time: torchhd's records need rows x columns x dimension floats."""
    size = max(1, int(2e7 // (DIM * x.shape[1])))
    return torch.cat([torch.as_tensor(function(part)) for part in x.split(size)])


def _record(method: Any, **settings: Any) -> Rival:
    """Return a rival that encodes by levels; rows are encoded once, which changes no result, only the time."""

    def run(train: Table, test: Table, seed: int) -> Labels:
        torch.manual_seed(seed)
        x, new = (torch.from_numpy(2 * part - 1) for part in shares(train, test))
        model = method(x.shape[1], DIM, train.classes, **settings)
        with torch.no_grad():
            coded, new = (_in_batches(model.encoder, part).as_subclass(torch.Tensor) for part in (x, new))
        model.encoder = lambda rows: rows
        model.fit(_batches(coded, train.labels, seed))
        model.eval()
        with torch.no_grad():
            return np.asarray(model.predict(new).numpy())

    return run


def _sinusoid(method: Any, scales: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)) -> Rival:
    """Return a rival that encodes by sinusoids, of columns times what is best on a part of the training rows."""

    def predicted(x: Floats, y: Labels, new: Floats, classes: int, scale: float, seed: int) -> Labels:
        torch.manual_seed(seed)
        model = method(x.shape[1], DIM, classes, epochs=EPOCHS)
        model.fit(_batches(torch.from_numpy(x * np.float32(scale)), y, seed))
        with torch.no_grad():
            return np.asarray(_in_batches(model.predict, torch.from_numpy(new * np.float32(scale))).numpy())

    def run(train: Table, test: Table, seed: int) -> Labels:
        x, new = flat(train, test)
        rows = some_rows(train.labels, SEARCHED, seed)
        known, held = next(StratifiedKFold(INNER, shuffle=True, random_state=seed).split(rows, train.labels[rows]))
        known, held = rows[known], rows[held]
        right = [
            (predicted(x[known], train.labels[known], x[held], train.classes, s, seed) == train.labels[held]).mean()
            for s in scales
        ]
        return predicted(x, train.labels, new, train.classes, scales[int(np.argmax(right))], seed)

    return run


def int_rvfl(train: Table, test: Table, seed: int) -> Labels:
    """Predict by IntRVFL of torchhd; kappa and alpha by a held-out third of a part of the training rows.

    The encoder is torchhd's. Its ridge regression inverts a matrix, which takes a minute a fold for the same weights;
    the equation is solved here instead.
    """
    x, new = (torch.from_numpy(part) for part in shares(train, test))
    torch.manual_seed(seed)
    encoding = classifiers.IntRVFL(x.shape[1], DIM, train.classes).model.encoding
    with torch.no_grad():
        coded, new = (_in_batches(encoding, part).as_subclass(torch.Tensor) for part in (x, new))
    rows = some_rows(train.labels, SEARCHED, seed)
    known, held = next(StratifiedKFold(INNER, shuffle=True, random_state=seed).split(rows, train.labels[rows]))

    def weights(which: Any, kappa: int, alpha: float) -> Any:
        h = coded[which].clamp(-kappa, kappa).double()
        y = torch.nn.functional.one_hot(torch.from_numpy(train.labels[which]), train.classes).double()
        few = len(h) < DIM
        gram = h @ h.T if few else h.T @ h
        gram += alpha * torch.eye(len(gram), dtype=torch.float64)
        return (h.T @ torch.linalg.solve(gram, y) if few else torch.linalg.solve(gram, h.T @ y)).float()

    def labels(rows: Any, kappa: int, read_out: Any) -> Labels:
        return np.asarray((rows.clamp(-kappa, kappa) @ read_out).argmax(1).numpy())

    best = (-1.0, 1, 1.0)
    for kappa in (1, 3, 7, 15):
        for alpha in (0.125, 2.0, 32.0):
            found = labels(coded[rows[held]], kappa, weights(rows[known], kappa, alpha))
            best = max(best, (float((found == train.labels[rows[held]]).mean()), kappa, alpha))
    _, kappa, alpha = best
    return labels(new, kappa, weights(np.arange(len(train)), kappa, alpha))


classifiers.trange = lambda *ends, desc: range(*ends)  # no bar for each fit
warnings.filterwarnings("ignore", "The norm of a vector is nearly zero")  # class vectors before the first row

SCIKIT: dict[str, Rival] = {"logistic": logistic, "RBF SVM": rbf_svm, "boosting": boosting}

TORCHHD: dict[str, Rival] = {
    "Vanilla": _record(classifiers.Vanilla),
    "AdaptHD": _record(classifiers.AdaptHD, epochs=EPOCHS),
    "LeHDC": _record(classifiers.LeHDC, epochs=EPOCHS),
    "OnlineHD": _sinusoid(classifiers.OnlineHD),
    "NeuralHD": _sinusoid(classifiers.NeuralHD),
    "DistHD": _sinusoid(classifiers.DistHD),
    "IntRVFL": int_rvfl,
}
"""Their parameters are torchhd's own but for the dimension and the epochs."""
