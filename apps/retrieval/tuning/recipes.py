"""What can be made of vectors within so many bytes: binarizers, what is kept beside the codes, and whether a graph."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from hdc.apps.retrieval.binarizers import Binarizer, RaBitQBinarizer, RecurrentBinarizer, ScalarBinarizer
from hdc.apps.retrieval.index.binary import Kind
from hdc.dispatch import backend as find_backend
from hdc.words import WORD_BITS

FEW_ROWS = 10_000
"""Up to so many vectors, all codes are compared: lists would be too short to be worth their centers."""

LISTS_PER_ROOT = 4
"""Lists for each square root of the number of vectors."""

ROWS_PER_LIST = 512
"""Vectors for each list of a graph, which walks begin in."""

LONGEST_TRAINED = 256
"""Bytes above which codes are not trained: those without training find as much, and are made in seconds."""

COMPONENT_BITS = (1, 2, 3, 4, 6, 8)
"""Bits of a component that are tried, where the vectors themselves are not kept."""

MOST_SCALAR_BITS, USUAL_SCALAR_BITS = 8, 4
"""Bits of a component of scalar codes: the most that fit, and where any number does."""

KEPT = (("int8", 1), ("float32", 4))
"""What is kept of vectors, and its bytes a component."""

Make: TypeAlias = Callable[[int], Binarizer]
"""Takes a number of vectors, and returns a binarizer for so many that is not fitted."""


@dataclass(frozen=True)
class Recipe:
    """One way to make an index.

    Attributes
    ----------
    name : str
        For people.
    make : function
    keep : str or None
        As :meth:`hdc.apps.retrieval.EmbeddingIndex.create`.
    least_bytes : int
        That a search may read of a vector, without what a code says beside its components.
    trained : bool
        Whether fitting takes minutes rather than seconds.
    kind : str or None
        As ``keep``.
    """

    name: str
    make: Make
    keep: str | None
    least_bytes: int
    trained: bool = False
    kind: Kind | None = None


def recipes(
    dim: int, rows: int, most_bytes: int | None, metric: str, seed: int, backend: str, *, graph: bool = True
) -> list[Recipe]:
    """Return what fits into so many bytes a vector: first what is made in seconds, of few bytes, then what is trained.

    Parameters
    ----------
    dim, rows : int
        Components of the vectors, and how many there are in all.
    most_bytes : int or None
        None: any, and nothing has to be trained.
    metric, seed, backend
        As the binarizers take them.
    graph : bool
        Whether a graph is tried, where there are enough vectors for lists and the backend walks graphs.
    """
    common = {"metric": metric, "seed": seed, "backend": backend}
    found = [*_estimated(dim, common), *_scalar(dim, most_bytes, common)]
    if graph and rows >= FEW_ROWS and find_backend(backend).graphs is not None:
        found.append(_graph(dim, common))
    if most_bytes is None:
        return found
    return [recipe for recipe in [*found, *_trained(dim, most_bytes, common)] if recipe.least_bytes <= most_bytes]


def lists_for(rows: int) -> int:
    """Return how many lists suit so many vectors: one for few."""
    return 1 if rows < FEW_ROWS else round(LISTS_PER_ROOT * rows**0.5)


def fitted_to(sample: int, rows: int) -> int:
    """Return how many vectors a recipe is made for, to be tried on a sample: with lists, if all rows will have some."""
    return max(sample, min(rows, FEW_ROWS))


def _graph(dim: int, common: dict[str, Any]) -> Recipe:
    def make(count: int) -> Binarizer:
        return RaBitQBinarizer(max(2, round(count / ROWS_PER_LIST)), **common)

    signs = dim // 8  # in the code, and again in the record of a node
    return Recipe("graph, 1 bit, int8", make, "int8", 2 * signs + dim, kind="graph")


def _estimated(dim: int, common: dict[str, Any]) -> list[Recipe]:
    def maker(bits: int) -> Make:
        return lambda count: RaBitQBinarizer(lists_for(count), component_bits=bits, **common)

    own = [
        Recipe(f"RaBitQ, {bits} bit{'s' * (bits > 1)}", maker(bits), None, dim * bits // 8) for bits in COMPONENT_BITS
    ]
    kept = [Recipe(f"RaBitQ, 1 bit, {keep}", maker(1), keep, dim // 8 + dim * size) for keep, size in KEPT]
    return sorted([*own, *kept], key=lambda recipe: recipe.least_bytes)


def _scalar(dim: int, most_bytes: int | None, common: dict[str, Any]) -> list[Recipe]:
    bits = dim * USUAL_SCALAR_BITS if most_bytes is None else min(8 * most_bytes, dim * MOST_SCALAR_BITS)
    size = bits // WORD_BITS * 8
    return [Recipe(f"scalar, {size} bytes", lambda _: ScalarBinarizer(size, **common), None, size)] if size else []


def _trained(dim: int, most_bytes: int, common: dict[str, Any]) -> list[Recipe]:
    words = min(most_bytes, LONGEST_TRAINED, dim) // 8
    size = 8 * words
    if not words:
        return []
    return [
        Recipe(f"recurrent, {size} bytes", lambda _: RecurrentBinarizer(8 * size, **common), None, size, trained=True)
    ]
