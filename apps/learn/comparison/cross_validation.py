"""Cross-validation of several learners on the same folds, with times and sizes."""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from hdc.apps.learn.quiet import quiet
from hdc.apps.learn.tables.frames import Rows, taken
from hdc.checks import integer
from hdc.errors import ParameterError

Fold = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
Folds = list[Fold]

FEW = 100
"""Rows on which a learner runs once before it is timed."""


@dataclass(frozen=True)
class Contender:
    """A learner to be evaluated.

    Attributes
    ----------
    name : str
    make : () -> estimator
        Makes it, unfitted.
    size : (estimator) -> int
        Bytes of the learned state as stored.
    most_rows : int, optional
        More rows of training than this would take it too long.
    may_fail : bool
        Whether it is skipped if it raises ValueError.
    """

    name: str
    make: Callable[[], Any]
    size: Callable[[Any], int]
    most_rows: int | None = None
    may_fail: bool = False


@dataclass
class Outcome:
    """Measurements of a learner.

    Attributes
    ----------
    name : str
    scores : list of float
        Accuracy (of a regression R², the share of variance that is explained) on each fold.
    train_seconds, predict_seconds : list of float
        Wall-clock time on each fold: encoding, scaling and calibration of probabilities included.
    predicted_rows : int
    model_bytes : int
        Bytes of the state learned on the last fold.
    left_out : str
        Why it was not run, if it was not.
    """

    name: str
    scores: list[float] = field(default_factory=list)
    train_seconds: list[float] = field(default_factory=list)
    predict_seconds: list[float] = field(default_factory=list)
    predicted_rows: int = 0
    model_bytes: int = 0
    left_out: str = ""

    @property
    def mean(self) -> float:
        """The mean score."""
        return float(np.mean(self.scores))

    @property
    def standard_error(self) -> float:
        """Of the mean: the deviation of the folds' scores over the root of their number."""
        return float(np.std(self.scores, ddof=1) / np.sqrt(len(self.scores)))

    @property
    def predict_rate(self) -> float:
        """Rows that are predicted in a second."""
        return self.predicted_rows / max(sum(self.predict_seconds), 1e-9)

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        if self.left_out:
            return {"learner": self.name, "left_out": self.left_out}
        return {
            "learner": self.name,
            "mean": self.mean,
            "standard_error": self.standard_error,
            "scores": self.scores,
            "train_seconds": float(np.mean(self.train_seconds)),
            "predict_rows_per_second": self.predict_rate,
            "model_bytes": self.model_bytes,
        }


def folds_of(rows: Rows, task: str, folds: int, seed: int = 0) -> Folds:
    """Return the places of rows to learn from and to predict, for each fold.

    Classes are spread evenly; with groups, all rows of a group are in one fold.

    Raises
    ------
    ParameterError
        If there are fewer rows, groups, or members of every class than folds.
    """
    integer(folds, "folds", 2)
    if len(rows) < folds:
        raise ParameterError(f"{folds} folds need at least as many rows, and there are {len(rows)}")
    if rows.groups is not None and (number := len({*rows.groups})) < folds:
        raise ParameterError(f"{folds} folds need at least as many groups, and there are {number}")
    if task == "classify" and (most := max(np.unique(rows.targets, return_counts=True)[1])) < folds:
        raise ParameterError(f"{folds} folds need a class of at least as many rows, and the largest has {most}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class of fewer rows than folds is missing in some
        cut = _splitter(rows, task, folds, seed).split(np.zeros(len(rows)), rows.targets, rows.groups)
        folds_cut = [(known, new) for known, new in cut if len(new)]
    if task == "classify" and any(len(np.unique(rows.targets[known])) < 2 for known, _ in folds_cut):
        raise ParameterError("in a fold, one class only is left to learn from; take other folds or groups")
    return folds_cut


def _splitter(rows: Rows, task: str, folds: int, seed: int) -> Any:
    shuffled: dict[str, Any] = {"shuffle": True, "random_state": seed}
    if rows.groups is None:
        return (StratifiedKFold if task == "classify" else KFold)(folds, **shuffled)
    return StratifiedGroupKFold(folds, **shuffled) if task == "classify" else GroupKFold(folds)


def evaluate(rows: Rows, contenders: Sequence[Contender], folds: Folds, task: str) -> Iterator[Outcome]:
    """Run each learner on each fold, and yield its outcome so far after each.

    Notes
    -----
    Learners take turns on a fold, so that a machine that gets slower does so for all. Each learns from a few rows
    before the clock starts: one-time loading and compilation is not counted.
    """
    outcomes = [Outcome(one.name, left_out=_too_many(one, folds)) for one in contenders]
    few = _few(rows, folds[0][0])
    for contender, outcome in zip(contenders, outcomes, strict=True):
        if not outcome.left_out:
            outcome.left_out = _failure(rows, contender, Outcome(""), (few, few), task)
    for known, new in folds:
        for contender, outcome in zip(contenders, outcomes, strict=True):
            if not outcome.left_out:
                outcome.left_out = _failure(rows, contender, outcome, (known, new), task)
            yield outcome


def _too_many(contender: Contender, folds: Folds) -> str:
    most = max(len(known) for known, _ in folds)
    if contender.most_rows is None or most <= contender.most_rows:
        return ""
    return f"its time grows with the square of the rows, and {most:,} are more than {contender.most_rows:,}"


def _few(rows: Rows, known: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the places of at most ``FEW`` rows with small and large targets, and so of at least two classes."""
    ordered = known[np.argsort(rows.targets[known], kind="stable")]
    return ordered[np.linspace(0, len(ordered) - 1, min(FEW, len(ordered))).astype(np.int64)]


def _failure(rows: Rows, contender: Contender, outcome: Outcome, fold: Fold, task: str) -> str:
    """Run a learner on a fold; return why a scikit-learn learner cannot learn from these rows, or None."""
    try:
        _run(rows, contender, outcome, *fold, task)
    except ValueError as error:
        if not contender.may_fail:
            raise
        return f"it failed: {str(error).splitlines()[0]}"
    return ""


def _run(rows: Rows, contender: Contender, outcome: Outcome, known: Any, new: Any, task: str) -> None:
    learner = contender.make()
    train, test = taken(rows.features, known), taken(rows.features, new)
    with quiet():
        start = time.perf_counter()
        learner.fit(train, rows.targets[known])
        trained = time.perf_counter()
        predicted = learner.predict(test)
        done = time.perf_counter()
    outcome.train_seconds.append(trained - start)
    outcome.predict_seconds.append(done - trained)
    outcome.predicted_rows += len(new)
    outcome.scores.append(score(rows.targets[new], predicted, task))
    outcome.model_bytes = contender.size(learner)


def score(targets: npt.NDArray[Any], predicted: npt.NDArray[Any], task: str) -> float:
    """Return the accuracy of classes, or the R² of numbers."""
    if task == "classify":
        return float(np.mean(targets == predicted))
    spread = float(np.sum((targets - targets.mean()) ** 2))
    return 1.0 - float(np.sum((targets - predicted) ** 2)) / (spread or 1.0)
