"""Protocols of a batch of trials: the tasks of the theory, and the protocols of Schlegel et al. (2022).

A protocol draws its symbols, builds vectors with the public interface of any model, asks its questions of all trials at
once, and returns the number of right answers per trial.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import hdc
from hdc.apps.capacity.draws import BLOCK, Codebook, Draws, Ints
from hdc.bounds import majority_bias
from hdc.checks import known
from hdc.errors import ParameterError, UnsupportedError
from hdc.kernels import Array

Parameters = Mapping[str, Any]
Floats = npt.NDArray[np.float64]

MATRICES = ("Hopfield", "Hopfield±")
"""Models that are a matrix memory over MAP-I's atoms."""


class Answers(NamedTuple):
    """Right answers of each trial, ``(trials,)``, and a measured value of each, if the protocol has one."""

    right: Ints
    value: Floats | None = None


@dataclass(frozen=True)
class Batch:
    """Some trials of one block."""

    draws: Draws
    codebook: Codebook
    parameters: Parameters
    trials: Ints

    @property
    def vsa(self) -> hdc.VSA:
        """The model."""
        return self.draws.vsa

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]

    def on_host(self, x: Array) -> npt.NDArray[Any]:
        """Return the model's result as a NumPy array."""
        host: npt.NDArray[Any] = self.vsa.kernels.arrays.to_numpy(x)
        return host

    def members(self, count: int) -> Ints:
        """Draw different symbols for each trial, ``(trials, count)``."""
        return self.draws.distinct("members", self.trials, count, self["universe"])

    def own_keys(self, count: int) -> Any:
        """Return the block's keys: ``(count, storage)`` atoms other than symbols, or a list of operators."""
        numbers = np.arange(count, dtype=np.int64)
        if self.vsa.binds_vectors:
            return self.draws.atoms("key", self.codebook.block, numbers)
        return [self.vsa.role((self.draws.seed, self.codebook.block, i)) for i in range(count)]


@dataclass(frozen=True)
class Protocol:
    """An experiment by name.

    Attributes
    ----------
    name : str
    answer : Batch -> Answers
    needs : tuple of str
        Parameters that must be given, beside ``model`` and ``dim``.
    defaults : mapping
        The other parameters.
    asked : parameters -> int
        Questions in each trial.
    vectors : parameters -> int
        Hypervectors that a trial has in memory at once.
    distinct : parameters -> int
        Different symbols that a trial draws; the universe must have as many.
    load : parameters -> int
        Members that a sparse model should expect; 0 for its own choice of ones.
    block : int
        Trials that share a codebook.
    """

    name: str
    answer: Callable[[Batch], Answers]
    needs: tuple[str, ...] = ("items", "universe")
    defaults: Parameters = field(default_factory=dict)
    asked: Callable[[Parameters], int] = lambda p: 1
    vectors: Callable[[Parameters], int] = lambda p: int(p["items"])
    distinct: Callable[[Parameters], int] = lambda p: int(p["items"])
    load: Callable[[Parameters], int] = lambda p: 0
    block: int = BLOCK


# ---------------------------------------------------------------------- parts of protocols


def bind_each(vsa: hdc.VSA, keys: Any, values: Array) -> Array:
    """Bind values ``(trials, n, storage)`` with n keys: a batch for vectors, a loop over operators."""
    if vsa.binds_vectors:
        return vsa.bind(keys, values)
    return vsa.kernels.xp.stack([vsa.bind(role, values[:, i]) for i, role in enumerate(keys)], axis=1)


def unbind_each(vsa: hdc.VSA, keys: Any, vectors: Array) -> Array:
    """Unbind each vector ``(trials, storage)`` with n keys: ``(trials, n, storage)``."""
    if vsa.binds_vectors:
        return vsa.unbind(keys, vectors[:, None, :])
    return vsa.kernels.xp.stack([vsa.unbind(role, vectors) for role in keys], axis=1)


def count_common(found: Ints, expected: Ints, universe: int) -> Ints:
    """Count the numbers that two ``(trials, n)`` arrays share in each row."""
    offset = np.arange(len(found), dtype=np.int64)[:, None] * universe
    return np.asarray(np.isin(found + offset, expected + offset).sum(axis=1))


def all_decided(batch: Batch, members: Ints, decide: Callable[[Array, int], npt.NDArray[np.bool_]]) -> Ints:
    """Return 1 for each trial in which every symbol of the universe is decided rightly.

    Parameters
    ----------
    members : (trials, n) array
        Symbols to be accepted; all others are to be rejected.
    decide : (part (c, storage), number of its first) -> (trials, c) bool array
    """
    right = np.ones(len(batch.trials), dtype=np.bool_)
    for start, part in batch.codebook.parts():
        truth = np.zeros((len(batch.trials), len(part)), dtype=np.bool_)
        rows, columns = np.nonzero((members >= start) & (members < start + len(part)))
        truth[rows, members[rows, columns] - start] = True
        right &= (decide(part, start) == truth).all(axis=1)
    return right.astype(np.int64)


# ---------------------------------------------------------------------- sets


def membership(batch: Batch) -> Answers:
    """Decide for every symbol of the universe whether it is in a bundle."""
    if batch["model"] in MATRICES:
        return _matrix_membership(batch)
    members = batch.members(batch["items"])
    bundles = batch.vsa.bundle(batch.codebook.take(members))

    def decide(part: Array, start: int) -> npt.NDArray[np.bool_]:
        return batch.on_host(batch.vsa.contains(bundles, part, size=batch["items"]))

    return Answers(all_decided(batch, members, decide))


def intersection(batch: Batch) -> Answers:
    """Estimate the size of the intersection of two sets to within the tolerance."""
    a, b, overlap = batch["items"], batch["other"], batch["overlap"]
    symbols = batch.members(a + b - overlap)
    sets = symbols[:, :a], symbols[:, a - overlap :]
    if batch["model"] in MATRICES:
        estimate = _matrix_intersection(batch, *sets)
    else:
        x, y = (batch.vsa.bundle(batch.codebook.take(numbers)) for numbers in sets)
        estimate = np.diagonal(batch.on_host(batch.vsa.intersection_size(x, y, sizes=(a, b))))
    return Answers((np.abs(estimate - overlap) <= batch["tolerance"]).astype(np.int64), estimate)


def nested(batch: Batch) -> Answers:
    """Decide for every symbol whether it is a leaf of a bundle of bundles."""
    members = batch.members(_leaves(batch.parameters))
    vectors, vsa = batch.codebook.take(members), batch.vsa
    if batch["shape"] == "chain":
        root = vectors[:, 0]
        for i in range(1, batch["items"]):
            root = vsa.bundle(vsa.kernels.xp.stack([root, vectors[:, i]], axis=1))
        bias = 0.5 ** (batch["items"] - 1)
    else:
        for _ in range(batch["depth"]):
            vectors = vsa.bundle(vectors.reshape(len(members), -1, batch["items"], vsa.storage))
        root, bias = vectors[:, 0], majority_bias(batch["items"]) ** batch["depth"]

    def decide(part: Array, start: int) -> npt.NDArray[np.bool_]:
        if isinstance(vsa, hdc.MAPB):  # its threshold depends on the tree, not only on the number of leaves
            return batch.on_host(vsa.similarity(root, part) >= bias / 2)
        return batch.on_host(vsa.contains(root, part, size=members.shape[1]))

    return Answers(all_decided(batch, members, decide))


def _leaves(parameters: Parameters) -> int:
    return int(parameters["items"] ** (1 if parameters["shape"] == "chain" else parameters["depth"]))


def _matrix_signs(batch: Batch) -> Floats:
    """Return the sign of every symbol of the block, ``(universe,)``: all 1 without signs."""
    if batch["model"] == "Hopfield":
        return np.ones(batch["universe"])
    words = batch.draws.words(f"signs of block {batch.codebook.block}", np.zeros(1, dtype=np.int64), batch["universe"])
    return np.asarray(1.0 - 2.0 * (words[0] & np.uint64(1)))


def _squares(x: Array, y: Array) -> Floats:
    """Return the squared dot products of ±1 atoms, exactly: ``(len(x), len(y))`` float64."""
    products = x.astype(np.float32) @ y.astype(np.float32).T
    return np.asarray(products.astype(np.float64) ** 2)


def _matrix_membership(batch: Batch) -> Answers:
    """Score ``s_j S_jᵀ W S_j`` of all trials: squared products of members and symbols, summed by one product."""
    m, signs, members = batch["dim"], _matrix_signs(batch), batch.members(batch["items"])
    used, columns = np.unique(members, return_inverse=True)
    weights = np.zeros((len(members), len(used)))
    np.put_along_axis(weights, columns.reshape(members.shape), signs[members], axis=1)
    atoms = batch.on_host(batch.codebook.take(used))

    def decide(part: Array, start: int) -> npt.NDArray[np.bool_]:
        forms = (weights @ _squares(atoms, batch.on_host(part))) * signs[start : start + len(part)]
        if batch["model"] == "Hopfield":
            return np.asarray(forms / m - batch["items"] >= (m - 1) / 2)
        return np.asarray(forms >= m**2 / 2)

    return Answers(all_decided(batch, members, decide))


def _matrix_intersection(batch: Batch, x: Ints, y: Ints) -> Floats:
    m, signs = batch["dim"], _matrix_signs(batch)
    a, b = (batch.on_host(batch.codebook.take(numbers)).astype(np.float32) for numbers in (x, y))
    products = a @ b.swapaxes(-1, -2)
    form = np.einsum("ta,tab,tb->t", signs[x], products.astype(np.float64) ** 2, signs[y])
    if batch["model"] == "Hopfield":
        return np.asarray((form / m - x.shape[1] * y.shape[1]) / (m - 1))
    return np.asarray(form / m**2)


# ---------------------------------------------------------------------- bindings and sequences


def key_value(batch: Batch) -> Answers:
    """Read the value of every key off a bundle of pairs: keys are distinct, values any symbols."""
    values = batch.draws.integers("values", batch.trials, batch["items"], batch["universe"])
    return _read_pairs(batch, batch.own_keys(batch["items"]), values)


def pairs(batch: Batch) -> Answers:
    """Schlegel et al.'s bound pairs: roles and fillers are 2n different symbols (operators are roles of MBAT)."""
    n = batch["items"]
    symbols = batch.members(2 * n)
    keys = batch.codebook.take(symbols[:, :n]) if batch.vsa.binds_vectors else batch.own_keys(n)
    return _read_pairs(batch, keys, symbols[:, n:])


def _read_pairs(batch: Batch, keys: Any, values: Ints) -> Answers:
    vectors = batch.vsa.bundle(bind_each(batch.vsa, keys, batch.codebook.take(values)))
    found = batch.codebook.nearest(unbind_each(batch.vsa, keys, vectors), 1)[..., 0]
    return Answers((found == values).sum(axis=1))


def bindings(batch: Batch) -> Answers:
    """Decide one member and one other binding in a bundle of k-bindings that share factors.

    Each place of a binding has an alphabet of ``universe`` symbols of its own.
    """
    vsa, k, size = batch.vsa, batch["factors"], batch["universe"]
    if not vsa.binds_vectors:
        raise UnsupportedError(f"bindings multiplies hypervectors, which {vsa.model} does not; take key-value")
    if size**k >= 2**31:
        raise ParameterError(f"universe ** factors must be below 2^31, not {size} ** {k}")
    codes = batch.draws.distinct("bindings", batch.trials, batch["items"] + 1, size**k)
    product = batch.draws.atoms("place 0", batch.codebook.block, codes % size)
    for place in range(1, k):
        factor = batch.draws.atoms(f"place {place}", batch.codebook.block, codes // size**place % size)
        product = vsa.bind(factor, product)
    bundles = vsa.bundle(product[:, :-1])
    member, other = (
        np.diagonal(batch.on_host(vsa.contains(bundles, product[:, i], size=batch["items"]))) for i in (0, -1)
    )
    return Answers(member.astype(np.int64) + ~other)


def sequence(batch: Batch) -> Answers:
    """Read the symbol at every position of a bundle of permuted symbols, all different."""
    vsa, members = batch.vsa, batch.members(batch["items"])
    symbols = batch.codebook.take(members)
    positions, stack = range(batch["items"]), vsa.kernels.xp.stack
    vectors = vsa.bundle(stack([vsa.permute(symbols[:, i], i) for i in positions], axis=1))
    found = batch.codebook.nearest(stack([vsa.permute(vectors, -i) for i in positions], axis=1), 1)[..., 0]
    return Answers((found == members).sum(axis=1))


# ---------------------------------------------------------------------- published protocols


def bundle(batch: Batch) -> Answers:
    """Schlegel et al.'s bundle capacity: the n symbols most similar to a bundle of n are taken as its members."""
    members = batch.members(batch["items"])
    found = batch.codebook.nearest(batch.vsa.bundle(batch.codebook.take(members)), batch["items"])
    return Answers(count_common(found, members, batch["universe"]))


def unbinding(batch: Batch) -> Answers:
    """Schlegel et al.'s repeated binding: bind and unbind with ``depth`` keys; right if the nearest is the original.

    The value is the similarity to the original, which every model normalizes: 1 for equal, 0 for unrelated.
    """
    vsa, members = batch.vsa, batch.members(1)
    original = vectors = batch.codebook.take(members[:, 0])
    keys = batch.own_keys(batch["depth"])
    for key in keys:
        vectors = vsa.bind(key, vectors)
    for key in reversed(list(keys)):
        vectors = vsa.unbind(key, vectors)
    similarity = np.diagonal(batch.on_host(vsa.similarity(vectors, original))).astype(np.float64)
    return Answers((batch.codebook.nearest(vectors, 1)[:, 0] == members[:, 0]).astype(np.int64), similarity)


def _items(parameters: Parameters) -> int:
    return int(parameters["items"])


PROTOCOLS: Mapping[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol("membership", membership, load=_items),
        Protocol(
            "intersection",
            intersection,
            needs=("items", "tolerance"),
            defaults={"universe": 1000, "other": None, "overlap": 0},
            vectors=lambda p: int(p["items"] + p["other"]),
            distinct=lambda p: int(p["items"] + p["other"] - p["overlap"]),
            load=lambda p: 2 * int(p["items"] + p["other"] - p["overlap"]),
        ),
        Protocol("key-value", key_value, asked=_items, vectors=lambda p: 4 * _items(p), distinct=lambda p: 1),
        Protocol(
            "bindings",
            bindings,
            defaults={"factors": 2},
            asked=lambda p: 2,
            vectors=lambda p: 3 * _items(p) + 3,
            distinct=lambda p: 1,
        ),
        Protocol("sequence", sequence, asked=_items, vectors=lambda p: 4 * _items(p)),
        Protocol(
            "nested",
            nested,
            defaults={"shape": "tree", "depth": 2},
            vectors=lambda p: 2 * _leaves(p),
            distinct=_leaves,
            load=_leaves,
        ),
        Protocol("bundle", bundle, defaults={"items": 15, "universe": 1000}, needs=(), asked=_items),
        Protocol(
            "pairs",
            pairs,
            defaults={"items": 15, "universe": 1000},
            needs=(),
            asked=_items,
            vectors=lambda p: 5 * _items(p),
            distinct=lambda p: 2 * _items(p),
        ),
        Protocol(
            "unbinding",
            unbinding,
            defaults={"depth": 1, "universe": 1000},
            needs=(),
            vectors=lambda p: 3,
            distinct=lambda p: 1,
        ),
    )
}
"""Experiments by name."""


def protocol(name: str) -> Protocol:
    """Return an experiment's protocol.

    Raises
    ------
    UnknownNameError
        If the name is unknown.
    """
    return PROTOCOLS[known(name, "experiment", PROTOCOLS)]
