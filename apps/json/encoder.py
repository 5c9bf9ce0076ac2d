"""JSON documents to vectors, after Gallant (2022), "Orthogonal Matrices for MBAT, and a 'Soft' VSA for JSON".

An object is the sum of its values, each bound by the operator of its key; an array is the sum of its items,
bound by a power of one operator where order counts. Written out, a document is a weighted sum of its leaves,
each bound by the operators along its path, so a batch of documents is a sparse matrix times leaf vectors.
"""

import inspect
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

import hdc
from hdc.apps.json.leaves import ARRAYS, Arrays, LeafTable, Node
from hdc.apps.json.paths import Path, Step
from hdc.apps.json.profile import Profile, ProfileBuilder
from hdc.apps.json.tokens import Token, Tokens
from hdc.errors import ParameterError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = npt.NDArray[np.float32]

BATCH_DOCUMENTS = 1 << 12
"""Documents that are encoded at a time."""

BATCH_LEAVES = 1 << 17
"""Leaves after which a batch ends, however few its documents."""

BLOCK = 1 << 13
"""Atoms, and leaf vectors made of them, that are held at a time: 64 MiB each at dim 2048."""


@dataclass(frozen=True)
class Batch:
    """Documents as weights of distinct leaves.

    Attributes
    ----------
    table : LeafTable
    tokens : list of dict
        Weighted atoms of each leaf.
    weights : (documents, leaves) csr_matrix
        Rows have an expected norm of 1 in vector space.
    norms : (documents,) float64 array
        What the rows were divided by.
    """

    table: LeafTable
    tokens: list[Tokens]
    weights: "csr_matrix"
    norms: npt.NDArray[np.float64]


class JSONEncoder:
    """Encode JSON documents so that similar documents have similar vectors.

    Follows the conventions of scikit-learn transformers. Without :meth:`fit`, every leaf weighs the same and
    numbers are compared by their logarithm; fitted, rare values weigh more and numbers are compared by their
    place in the distribution of their path.

    Parameters
    ----------
    dim : int
        Length of the vectors.
    matrix : {"permutation", "hadamard", "haar"}
        Family of the orthogonal operators; see :class:`hdc.MBAT`.
    seed : int
        Of the model: other seeds give other vectors and the same similarities, up to noise of 1/sqrt(dim).
    arrays : {"auto", "bag", "sequence", "both"}
        Whether the position of an array's items counts: ``"auto"`` for items that are all numbers only.
    balance : float
        0: every leaf counts for itself. 1: every object and array weighs the same as a scalar beside it,
        however much it holds. Between: an object of m times the weight of a scalar counts ``m ** (1 - balance)``.

    Attributes
    ----------
    profile_ : Profile
        What :meth:`fit` learned; empty before.
    """

    def __init__(
        self,
        dim: int = 2048,
        *,
        matrix: str = "permutation",
        seed: int = 0,
        arrays: Arrays = "auto",
        balance: float = 0.0,
    ) -> None:
        self.dim = dim
        self.matrix = matrix
        self.seed = seed
        self.arrays: Arrays = arrays
        self.balance = balance
        self.profile_ = Profile()

    # ------------------------------------------------------------------ parameters and state

    @classmethod
    def _parameters(cls) -> list[str]:
        return list(inspect.signature(cls).parameters)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's parameters by name."""
        return {name: getattr(self, name) for name in self._parameters()}

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters by name and return the encoder.

        Raises
        ------
        ParameterError
            If there is no such parameter.
        """
        for name, value in parameters.items():
            if name not in self._parameters():
                raise ParameterError(f"JSONEncoder has no parameter {name!r}; it takes {self._parameters()}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        return f"JSONEncoder({', '.join(f'{name}={value!r}' for name, value in self.get_params().items())})"

    def to_json(self) -> dict[str, Any]:
        """Return parameters and fitted state as a JSON-able dict; :meth:`from_json` turns it back."""
        return {"parameters": self.get_params(), "profile": self.profile_.to_json()}

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> Self:
        """Return the encoder that :meth:`to_json` wrote: it gives the same vectors."""
        encoder = cls(**state["parameters"])
        encoder.profile_ = Profile.from_json(state["profile"])
        return encoder

    def check(self) -> None:
        """Check the parameters, which the constructor takes as they are.

        Raises
        ------
        ParameterError
            If one is out of range.
        """
        if self.arrays not in ARRAYS:
            raise ParameterError(f"arrays must be one of {', '.join(ARRAYS)}, not {self.arrays!r}")
        if not 0 <= self.balance <= 1:
            raise ParameterError(f"balance must be between 0 and 1, not {self.balance!r}")
        _ = self.vsa

    @property
    def vsa(self) -> hdc.VSA:
        """The algebra: a model and nothing else, made of the parameters."""
        return hdc.create("MBAT", self.dim, matrix=self.matrix, seed=self.seed)

    # ------------------------------------------------------------------ estimator

    def fit(self, X: Iterable[Any], y: Any = None) -> Self:
        """Learn the rarity of values and the spread of numbers from documents.

        Parameters
        ----------
        X : iterable of documents
            Read once, in batches.
        y : ignored

        Raises
        ------
        ParameterError
            If there is no document, a document is no JSON, or a parameter is out of range.
        """
        self.check()
        builder = ProfileBuilder()
        for table, documents in self._tables(X):
            builder.add(table, documents)
        if not builder.documents:
            raise ParameterError("fit needs at least one document, and there was none")
        self.profile_ = builder.build()
        return self

    def transform(self, X: Iterable[Any]) -> Floats:
        """Encode documents.

        Memory beyond the result is bounded by ``BATCH_DOCUMENTS``, ``BATCH_LEAVES`` and ``BLOCK``, for any number:
        about 200 MiB at dim 2048.

        Parameters
        ----------
        X : iterable of n documents
            JSON values: dict, list, str, int, float, bool, None, nested. One dict is not a list of documents.

        Returns
        -------
        (n, dim) float32 array
            Rows of expected norm 1; exactly linear in the leaves of a document.

        Raises
        ------
        ParameterError
            If a document is no JSON, or a parameter is out of range.
        """
        parts = [vectors for vectors, _ in self.encode(X)]
        return np.concatenate(parts) if parts else np.empty((0, self.dim), dtype=np.float32)

    def fit_transform(self, X: Iterable[Any], y: Any = None) -> Floats:
        """Fit, then encode the same documents, which are held in memory."""
        documents = list(X)
        return self.fit(documents).transform(documents)

    def encode(self, X: Iterable[Any]) -> Iterator[tuple[Floats, npt.NDArray[np.float64]]]:
        """Yield, batch by batch, the vectors of documents and the norms they were divided by.

        Yields
        ------
        vectors : (batch, dim) float32 array
        norms : (batch,) float64 array
        """
        for batch in self._batches(X):
            yield self._sum(batch.weights, batch), batch.norms

    # ------------------------------------------------------------------ leaves

    def leaf_vectors(self, document: Any) -> tuple[list[tuple[Path, Any]], Floats]:
        """Encode the leaves of one document apart.

        Returns
        -------
        leaves : list of (path, value)
        vectors : (leaves, dim) float32 array
            Weighted as in the document: their sum is the document's vector.
        """
        from scipy.sparse import diags

        (batch,) = self._batches([document])
        table = batch.table
        leaves = [(node.path(), value) for node, value in zip(table.nodes, table.values, strict=True)]
        alone = diags(batch.weights.toarray()[0]).tocsr()
        return leaves, self._sum(alone, batch)

    def _tables(self, X: Iterable[Any]) -> Iterator[tuple[LeafTable, list[set[int]]]]:
        if isinstance(X, dict | str | bytes):
            raise ParameterError(f"documents must come in a list or iterator, and a {type(X).__name__} was given")
        table, documents, held = LeafTable(), [], 0
        for document in X:
            documents.append(table.add(document, self.arrays))
            held += len(documents[-1])
            if held >= BATCH_LEAVES or len(documents) == BATCH_DOCUMENTS:
                yield table, documents
                table, documents, held = LeafTable(), [], 0
        if documents:
            yield table, documents

    def _batches(self, X: Iterable[Any]) -> Iterator[Batch]:
        from scipy.sparse import csr_matrix, diags

        self.check()
        for table, documents in self._tables(X):
            paths = _Paths()
            tokens = [
                self.profile_.tokens(paths[node], value) for node, value in zip(table.nodes, table.values, strict=True)
            ]
            masses = np.array([sum(weight * weight for weight in leaf.values()) for leaf in tokens])
            columns = np.concatenate([np.sort(np.fromiter(leaves, np.int64)) for leaves in documents])
            starts = np.cumsum([0, *map(len, documents)])
            weights = csr_matrix((self._array_shares(table)[columns], columns, starts), (len(documents), len(table)))
            if self.balance:
                _balance(weights, table, masses, self.balance)
            norms = np.sqrt(weights.multiply(weights) @ masses)
            yield Batch(table, tokens, (diags(1 / norms) @ weights).tocsr(), norms)

    def _array_shares(self, table: LeafTable) -> npt.NDArray[np.float64]:
        """Return the weight of each leaf: where items are bound in two ways, each has half of the square."""
        halved = np.array([self.arrays == "both" and node.in_array for node in table.nodes], dtype=np.bool_)
        return np.where(halved, math.sqrt(0.5), 1.0)

    # ------------------------------------------------------------------ vectors

    def _sum(self, weights: "csr_matrix", batch: Batch) -> Floats:
        """Return ``weights @ leaf vectors`` without holding all leaf vectors."""
        total = np.zeros((weights.shape[0], self.dim), dtype=np.float32)
        by_leaf = weights.astype(np.float32).tocsc()
        for start, stop in _blocks(batch.tokens):
            part = by_leaf[:, start:stop].tocsr()
            rows = np.flatnonzero(np.diff(part.indptr))
            total[rows] += part[rows] @ self._vectors(batch, start, stop)
        return total

    def _vectors(self, batch: Batch, start: int, stop: int) -> Floats:
        """Return the vectors of leaves ``start … stop - 1``, bound by their paths: ``(leaves, dim)``."""
        vsa = self.vsa
        vectors = _mix(vsa, batch.tokens[start:stop])
        groups: dict[Node, list[int]] = {}
        for row, node in enumerate(batch.table.nodes[start:stop]):
            groups.setdefault(node, []).append(row)
        for node, rows in groups.items():
            role = path_role(vsa, node.path())
            if role is not None:
                vectors[rows] = vsa.bind(role, vectors[rows])
        return vectors


class _Paths(dict[Node, Path]):
    """The paths of nodes, each spelled out once."""

    def __missing__(self, node: Node) -> Path:
        path = self[node] = node.path()
        return path


def path_role(vsa: hdc.VSA, path: Path) -> Any:
    """Return the operator of a path, or None at the root: keys by name, positions as powers (from 1)."""
    role = None
    for step in path:
        one = _step_role(vsa, step)
        role = one if role is None else role @ one
    return role


def _step_role(vsa: hdc.VSA, step: Step) -> Any:
    if step is None:
        return vsa.role(("item",))
    if isinstance(step, int):
        return vsa.role(("position",)) ** (step + 1)
    return vsa.role(("key", step))


def _blocks(tokens: list[Tokens]) -> Iterator[tuple[int, int]]:
    """Cut the leaves into runs of at most ``BLOCK`` leaves and ``BLOCK`` distinct tokens (or one leaf)."""
    start = 0
    names: set[Token] = set()
    for leaf, content in enumerate(tokens):
        if leaf - start == BLOCK or (leaf > start and len(names) + len(content) > BLOCK):
            yield start, leaf
            start = leaf
            names.clear()
        names.update(content)
    if start < len(tokens):
        yield start, len(tokens)


def _mix(vsa: hdc.VSA, tokens: list[Tokens]) -> Floats:
    """Return the weighted sum of each leaf's atoms, ``(leaves, dim)``."""
    from scipy.sparse import csr_matrix

    names: dict[Token, int] = {}
    columns = [names.setdefault(token, len(names)) for leaf in tokens for token in leaf]
    weights = np.array([weight for leaf in tokens for weight in leaf.values()], dtype=np.float32)
    starts = np.cumsum([0, *map(len, tokens)])
    mixture = csr_matrix((weights, columns, starts), (len(tokens), len(names)))
    return np.asarray(mixture @ vsa.symbols(list(names)), dtype=np.float32)


def _balance(weights: "csr_matrix", table: LeafTable, masses: npt.NDArray[np.float64], balance: float) -> None:
    """Damp, in place and from the leaves up, what stands under each path of a document."""
    numbers: dict[Node, int] = {}
    chains = [[numbers.setdefault(above, len(numbers)) for above in node.ancestors()][::-1] for node in table.nodes]
    row = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    depth = np.array([len(chain) for chain in chains])
    for level in range(int(depth.max(initial=0)), 0, -1):
        at_level = np.array([chain[level - 1] if len(chain) >= level else -1 for chain in chains])
        inside = np.flatnonzero(at_level[weights.indices] >= 0)
        group = row[inside] * len(numbers) + at_level[weights.indices[inside]]
        _, group = np.unique(group, return_inverse=True)
        values = weights.data[inside]
        mass = np.bincount(group, values * values * masses[weights.indices[inside]])
        weights.data[inside] = values * mass[group] ** (-balance / 2)
