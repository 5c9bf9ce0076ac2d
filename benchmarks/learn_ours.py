"""Our classifiers for the learning benchmarks, with encoder and rule chosen by inner cross-validation.

Chosen are the code of numbers (Fourier with a bandwidth, or density with kappa) and the rule (ridge, whose penalty is
chosen by its leave-one-out error, or margin). The first candidate is the default; another replaces it only if its
inner accuracy is higher by half a standard error, since the best of many is partly lucky.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from learn_data import Table
from learn_rivals import some_rows
from sklearn.model_selection import StratifiedKFold

from hdc.apps.learn import Features, HDClassifier

Labels = npt.NDArray[np.int64]

SEARCHED = 1000
"""Rows, at most, on which encoder and rule are chosen."""

INNER, INNER_SMALL, SMALL = 3, 5, 600
"""Folds of the choice, and of the choice for tables of at most ``SMALL`` rows, where they cost little."""

SOLVED = 2048
"""With more rows than this ridge takes the penalty that was chosen on ``SEARCHED`` rows."""


@dataclass(frozen=True)
class Candidate:
    """An encoder and a rule.

    Attributes
    ----------
    rule : str
    settings : dict
        Of ``Features``.
    width : float
        Times the automatic bandwidth, in ``"fourier"``.
    """

    rule: str
    settings: dict[str, Any]
    width: float = 1.0

    def classifier(self, x: Any, alpha: float | None = None) -> HDClassifier:
        """Return the classifier for the columns ``x``; probabilities, which are not asked for, are not calibrated."""
        settings = dict(self.settings)
        if self.width != 1.0:
            settings["bandwidth"] = self.width * Features(**settings).fit(x).bandwidth_
        return HDClassifier(Features(**settings), rule=self.rule, alpha=alpha, calibration=0)


def _score(candidate: Candidate, table: Table, folds: Sequence[tuple[Labels, Labels]]) -> tuple[float, float]:
    """Return the accuracy over all folds, and the penalty of the last."""
    right, alpha = 0, 0.0
    for known, held in folds:
        train, test = table.rows(known), table.rows(held)
        x = train.columns()
        model = candidate.classifier(x).fit(x, train.labels)
        right += int((model.predict(test.columns()) == test.labels).sum())
        alpha = getattr(model.state_, "alpha", 0.0)
    return right / len(table), alpha


def _chosen(candidates: Sequence[Candidate], table: Table, seed: int) -> tuple[Candidate, float]:
    """Return the candidate to take, and its penalty on a part of the rows."""
    rows = table.rows(some_rows(table.labels, SEARCHED, seed))
    inner = INNER_SMALL if len(rows) <= SMALL else INNER
    folds = list(StratifiedKFold(inner, shuffle=True, random_state=seed).split(rows.labels, rows.labels))
    scores = [_score(candidate, rows, folds) for candidate in candidates]
    best = int(np.argmax([right for right, _ in scores]))
    error = np.sqrt(scores[best][0] * (1 - scores[best][0]) / len(rows))
    if scores[best][0] - scores[0][0] <= 0.5 * error:
        best = 0
    return candidates[best], scores[best][1]


def _searched(candidates: Sequence[Candidate]) -> Callable[[Table, Table, int], Labels]:
    def run(train: Table, test: Table, seed: int) -> Labels:
        chosen, alpha = _chosen(candidates, train, seed)
        x = train.columns()
        known = alpha if chosen.rule == "ridge" and len(train) > SOLVED else None
        model = chosen.classifier(x, known).fit(x, train.labels)
        return np.asarray(model.predict(test.columns()))

    return run


FOURIER: dict[str, Any] = {"dim": 2048, "model": "FHRR", "numeric": "fourier"}
COUNTS: dict[str, Any] = {"dim": 4096, "model": "MAP-I", "numeric": "density"}
ANY_MODEL = [
    *(Candidate("ridge", FOURIER, width) for width in (1.0, 0.5, 1.6)),
    Candidate("margin", FOURIER),
    *(Candidate("ridge", {**COUNTS, "kappa": kappa}) for kappa in (1, 3)),
]
"""Candidates on the models that suit best: FHRR for Fourier, and MAP-I for density; 4,096 numbers each."""

SIGNS = [
    Candidate(rule, {"dim": 4096, "model": "MAP-B", "numeric": code})
    for code in ("fourier", "density")
    for rule in ("ridge", "margin")
]
"""Candidates on MAP-B: 4,096 bits."""


def as_it_comes(train: Table, test: Table, seed: int) -> Labels:
    """Return what ``HDClassifier()`` predicts."""
    model = HDClassifier(calibration=0, random_state=seed).fit(train.columns(), train.labels)
    return np.asarray(model.predict(test.columns()))


METHODS: dict[str, Callable[[Table, Table, int], Labels]] = {
    "hdc": _searched(ANY_MODEL),
    "hdc signs": _searched(SIGNS),
    "hdc default": as_it_comes,
}
