"""Recipes that are measured on a sample, and the one that is chosen by what its speed there says of all vectors."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from hdc.apps.progress import tracked
from hdc.apps.retrieval.binarizers import Binarizer
from hdc.apps.retrieval.evaluation.report import Measured
from hdc.apps.retrieval.index.embedding import EmbeddingIndex
from hdc.apps.retrieval.tuning.heldout import HeldOut, Setting, settings
from hdc.apps.retrieval.tuning.recipes import Recipe, fitted_to, recipes

Floats = npt.NDArray[np.float32]

NEARLY = 0.8
"""What is so much as fast as the fastest, or more, is as good, and its bytes count."""

SPARE = 10
"""A graph has to leave one byte in so many of its own to spare: all vectors may have more links than a sample."""

ADDED = 16_384
"""Vectors that are added at a time."""

GROWTH = {"flat": 1.0, "ivf": 0.6, "graph": 0.4}
"""Searches of a kind are taken to last as the number of vectors to this power, unless that is measured. A scan reads
all. docs/guides/embeddings_graph.md: of ten times the vectors, 3 to 5 times as long in lists, 1.8 to 3.9 in a graph."""

LEAST_GROWTH = {"ivf": 0.48, "graph": 0.23}
"""Less than 3 and 1.7 times as long is not believed: other work on the machine came or went between measurements."""

WAYS = {"flat": "scan", "ivf": "lists", "graph": "graph"}
"""What kinds are called."""


@dataclass(frozen=True)
class Wish:
    """What an index is to do: find a part of the ``k`` nearest by a metric, of at most so many bytes, None for any."""

    recall: float
    most_bytes: int | None
    metric: str
    k: int
    seed: int
    backend: str
    graph: bool = True

    def __str__(self) -> str:
        within = "" if self.most_bytes is None else f" within {self.most_bytes} bytes per vector"
        return f"{self.recall:g} of the nearest {self.k}{within}"


@dataclass(frozen=True)
class Trial:
    """One recipe, measured on the sample.

    Attributes
    ----------
    recipe : Recipe
    model : Binarizer
        Fitted to the sample.
    measured : Measured
        Queries a second are those that are expected of all vectors.
    setting : Setting
        The fastest that reaches the recall, or the one that finds most; its queries a second are those of the sample.
    kind : str
        Of the index.
    """

    recipe: Recipe
    model: Binarizer
    measured: Measured
    setting: Setting
    kind: str

    def expected(self, growth: "Growth") -> "Trial":
        """Return the same with the queries a second of all vectors."""
        return replace(self, measured=replace(self.measured, queries_per_second=growth.rate(self)))


@dataclass(frozen=True)
class Growth:
    """How much longer searches last with all vectors than with a sample.

    Attributes
    ----------
    sample, rows : int
        Vectors of the sample, and in all.
    powers : mapping of str to float
        For each kind: searches last as the number of vectors to this power.
    part : int, optional
        Vectors that those of lists and graphs were measured on, beside the sample.
    """

    sample: int
    rows: int
    powers: Mapping[str, float] = field(default_factory=lambda: GROWTH)
    part: int | None = None

    def rate(self, trial: Trial) -> float:
        """Return the queries a second that are expected of all vectors."""
        return trial.setting.rate * float((self.sample / self.rows) ** self.powers[trial.kind])

    def __str__(self) -> str:
        """Say what is assumed; nothing if the sample is more than half of all."""
        if self.rows < 2 * self.sample:
            return ""
        times = ", ".join(f"{WAYS[kind]} {10**power:.1f} times" for kind, power in self.powers.items())
        how = "assumed" if self.part is None else f"lists and graph as measured on {self.part:,}"
        return (
            f"queries/s are measured on {self.sample:,} vectors and expected of {self.rows:,}; ten times the vectors "
            f"make searches slower: {times} ({how})"
        )


def trials(sample: Floats, queries: HeldOut, wish: Wish, rows: int) -> list[Trial]:
    """Measure recipes for so many rows, those that are trained only if no other one reaches what is wished."""
    found: list[Trial] = []
    tried = recipes(sample.shape[1], rows, wish.most_bytes, wish.metric, wish.seed, wish.backend, graph=wish.graph)
    for recipe in tracked(tried, len(tried), unit="recipes"):
        if recipe.trained and any(trial.setting.least >= wish.recall for trial in found):
            continue
        began = time.monotonic()
        model = recipe.make(fitted_to(len(sample), rows)).fit(sample)
        if (trial := _trial(recipe, model, sample, queries, wish, began)) is not None:
            found.append(trial)
    return found


def _trial(recipe: Recipe, model: Binarizer, rows: Floats, queries: HeldOut, wish: Wish, began: float) -> Trial | None:
    """Measure a recipe; None if it takes more bytes than are wished."""
    index = EmbeddingIndex.create(None, model, kind=recipe.kind, keep=recipe.keep)
    most, unlinked = math.inf if wish.most_bytes is None else wish.most_bytes, index.bytes_per_vector
    if unlinked > most:
        return None
    for start in range(0, len(rows), ADDED):
        index.add(rows[start : start + ADDED])
    index.prepare()
    if index.bytes_per_vector + (index.bytes_per_vector - unlinked) / SPARE > most:
        return None
    seconds = time.monotonic() - began
    best = settings(index, queries, wish.recall)[0]
    return Trial(recipe, model, measured(recipe.name, index, best, seconds), best, index.kind)


def measured(name: str, index: EmbeddingIndex, setting: Setting, seconds: float) -> Measured:
    """Return what tables and figures show of an index that was made in so many seconds."""
    options = ", ".join(f"{name} {value}" for name, value in vars(setting.options).items())
    return Measured(f"{name}, {options}", setting.recall, index.bytes_per_vector, setting.rate, round(seconds, 1))


def rivals(found: list[Trial], recall: float) -> list[Trial]:
    """Return the best trial in lists and the best graph, if both reach the recall: growth says which will be faster."""
    best = [chosen([trial for trial in found if trial.kind == kind], recall) for kind in ("ivf", "graph")]
    return [trial for trial in best if trial is not None] if None not in best else []


def measured_growth(of: list[Trial], part: Floats, queries: HeldOut, wish: Wish, sample: int, rows: int) -> Growth:
    """Return the growth of the kinds of some trials, measured on a part of the vectors that is larger than the sample.

    What no longer reaches the recall, or takes more bytes than are wished, counts as slow as a scan.
    """
    powers = dict(GROWTH)
    for trial in tracked(of, len(of), unit="rivals"):
        model, began = trial.recipe.make(len(part)).fit(part), time.monotonic()
        larger = _trial(trial.recipe, model, part, queries, wish, began)
        powers[trial.kind] = 1.0
        if larger is not None and larger.setting.least >= wish.recall:
            power = math.log(trial.setting.rate / larger.setting.rate) / math.log(len(part) / sample)
            powers[trial.kind] = min(1.0, max(LEAST_GROWTH[trial.kind], power))
    return Growth(sample, rows, powers, len(part))


def chosen(found: list[Trial], recall: float) -> Trial | None:
    """Return the trial of fewest bytes of those about as fast as the fastest that reaches the recall."""
    good = [trial for trial in found if trial.setting.least >= recall]
    fastest = max((trial.measured.queries_per_second for trial in good), default=0.0)
    fast = [trial for trial in good if trial.measured.queries_per_second >= NEARLY * fastest]
    return min(fast, key=lambda trial: trial.measured.bytes_per_vector, default=None)
