"""What models are measured at: bind, bundle, compare, clean up, encode records, encode a text."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torchhd
from measuring import Case, Rival
from model_peers import TORCHHD, Torchhd, holovec_model, nengo_algebra, same_numbers, same_vectors

import hdc

FIELDS = ("name", "born", "place", "field", "school", "thesis", "adviser", "prize", "paper", "year")
"""Of a record."""

LETTERS = "abcdefghijklmnopqrstuvwxyz "
"""Of a text."""

TOGETHER = 500
"""Records that are encoded at a time, by both sides: their pairs are 200 MB of float32 components."""

VALUES = 1000
"""Different values of the fields of records."""


@dataclass(frozen=True)
class Sizes:
    """How much is asked for.

    Attributes
    ----------
    dim : int
        Least dimension; a model takes the next one that it has.
    pairs, members, items, queries : int
    records, letters : int
    """

    dim: int = 10_000
    pairs: int = 1000
    members: int = 101
    items: int = 1000
    queries: int = 100
    records: int = 2000
    letters: int = 2000


def _anything(ours: Any, theirs: Any) -> bool:
    """Say yes: the other side has vectors of its own."""
    return True


def one_by_one(compare: Callable[[Any, Any], Any], queries: Any, items: Any) -> Any:
    """Compare each query with all items, for libraries that hold all pairs times components for many."""
    return torch.stack([compare(query, items).as_subclass(torch.Tensor) for query in queries])


class Workload:
    """One model of ours, the data that both sides work on, and the same algebra in torchhd, if it is there.

    Parameters
    ----------
    name : str
        Of a registered model.
    sizes : Sizes
    """

    def __init__(self, name: str, sizes: Sizes) -> None:
        self.name, self.sizes = name, sizes
        self.vsa: Any = hdc.create(name, hdc.registry.model_class(name).next_dim(sizes.dim))
        self.peer: Torchhd | None = TORCHHD.get(name)

    def cases(self) -> Iterator[tuple[str, Callable[[], Case]]]:
        """Return what makes each case, to hold the data of one at a time."""
        yield "bind", partial(self.bind, self.sizes.pairs)
        yield "bind-one", partial(self.bind, 1)
        yield "bundle", self.bundle
        yield "similarity", self.similarity
        yield "cleanup-one", partial(self.cleanup, 1)
        slow = self.peer is not None and not self.peer.pairs_at_once
        yield "cleanup", partial(self.cleanup, self.sizes.queries // (10 if slow else 1))
        yield "records", self.records
        if self.vsa.binds_vectors:
            yield "text", self.text

    def bind(self, n: int) -> Case:
        """Bind pairs; models that bind with operators bind all vectors with one role."""
        vsa = self.vsa
        x, y = vsa.random(n, seed=1), vsa.random(n, seed=2)
        if n == 1:
            x, y = x[0], y[0]
        if not vsa.binds_vectors:
            role = vsa.role("role")
            return Case(f"bind {n:,} with a role", lambda: vsa.bind(role, y), {})
        rivals = {}
        if self.peer:
            a, b = self.peer.convert(vsa, x), self.peer.convert(vsa, y)
            bound = self.peer.bind
            rivals["torchhd"] = Rival(lambda: bound(a, b), same_vectors(self.peer, "bind", vsa))
        if n == 1:
            rivals |= self._pair_rivals()
        return Case(f"bind {n:,} pair{'s' * (n > 1)}", lambda: vsa.bind(x, y), rivals)

    def _pair_rivals(self) -> dict[str, Rival]:
        """Return libraries that bind vectors of their own."""
        rivals, dim = {}, self.vsa.dim
        if model := holovec_model(self.name, dim):
            a, b = model.random(seed=1), model.random(seed=2)
            rivals["HoloVec"] = Rival(lambda: model.bind(a, b), _anything)
        if algebra := nengo_algebra(self.name):
            p, q = np.random.default_rng(0).standard_normal((2, dim)) / np.sqrt(dim)
            rivals["nengo_spa"] = Rival(lambda: algebra.bind(p, q), _anything)
        return rivals

    def bundle(self) -> Case:
        """Bundle one set of vectors."""
        vsa, n = self.vsa, self.sizes.members
        x = vsa.random(n, seed=1)
        rivals = {}
        if self.peer:
            members = self.peer.convert(vsa, x)
            rivals["torchhd"] = Rival(lambda: torchhd.multiset(members), same_vectors(self.peer, "bundle", vsa))
        if model := holovec_model(self.name, vsa.dim):
            vectors = [model.random(seed=i) for i in range(n)]
            rivals["HoloVec"] = Rival(lambda: model.bundle(vectors), _anything)
        return Case(f"bundle {n}", lambda: vsa.bundle(x), rivals)

    def similarity(self) -> Case:
        """Compare ten vectors with many."""
        vsa, n = self.vsa, self.sizes.items
        x, y = vsa.random(10, seed=1), vsa.random(n, seed=2)
        rivals = {}
        if self.peer:
            a, b = self.peer.convert(vsa, x), self.peer.convert(vsa, y)
            same = same_numbers(self.peer, "similarity", vsa)
            rivals["torchhd"] = Rival(lambda: self._compared(a, b), same)
        return Case(f"similarities 10 x {n:,}", lambda: vsa.similarity(x, y), rivals)

    def _compared(self, a: Any, b: Any) -> Any:
        assert self.peer is not None
        if self.peer.pairs_at_once or a.ndim == 1:
            return torchhd.cosine_similarity(a, b)
        return one_by_one(torchhd.cosine_similarity, a, b)

    def _queries(self, items: Any, n: int) -> Any:
        """Return items that were bound, bundled with two more pairs, and unbound: whatever noise that leaves."""
        vsa, xp = self.vsa, self.vsa.xp
        roles = [vsa.role(field) for field in FIELDS[:3]]
        pairs = [vsa.bind(role, items[i : i + n]) for i, role in enumerate(roles)]
        return vsa.unbind(roles[0], vsa.bundle(xp.stack(pairs, axis=-2)))

    def cleanup(self, n: int) -> Case:
        """Find the nearest item."""
        vsa = self.vsa
        items = vsa.random(self.sizes.items, seed=1)
        queries = self._queries(items, n)
        if n == 1:
            queries = queries[0]
        rivals = {}
        if self.peer:
            a, b = self.peer.convert(vsa, queries), self.peer.convert(vsa, items)
            rivals["torchhd"] = Rival(
                lambda: self._compared(a, b).max(-1).indices,
                lambda ours, theirs: np.array_equal(ours[1][..., 0], theirs),
                naive=not self.peer.pairs_at_once and n > 1,
            )
        model = holovec_model(self.name, vsa.dim)
        if model and n == 1:
            known = [model.random(seed=i) for i in range(len(items))]
            rivals["HoloVec"] = Rival(
                lambda: int(np.argmax([model.similarity(known[0], item) for item in known])),
                lambda ours, theirs: theirs == 0,
                naive=True,
            )
        return Case(f"clean-up of {n} among {len(items):,}", lambda: vsa.nearest(queries, items, 1), rivals)

    def records(self) -> Case:
        """Encode records of ten named fields; both sides look their values up in a table of vectors."""
        vsa, n = self.vsa, self.sizes.records
        symbols = vsa.random(VALUES, seed=1)
        chosen = np.random.default_rng(0).integers(0, VALUES, (n, len(FIELDS)))
        blocks = [slice(i, min(n, i + TOGETHER)) for i in range(0, n, TOGETHER)]
        record = hdc.Record(vsa)

        def ours() -> Any:
            for rows in blocks:
                encoded = record.encode({field: symbols[chosen[rows, j]] for j, field in enumerate(FIELDS)})
            return encoded

        rivals = {}
        if self.peer:
            table = self.peer.convert(vsa, symbols)
            roles = self.peer.convert(vsa, np.stack([vsa.role(field) for field in FIELDS]))
            places, bound = torch.from_numpy(chosen), self.peer.bind

            def theirs() -> Any:
                for rows in blocks:
                    encoded = torchhd.multiset(
                        bound(roles.expand(len(places[rows]), *roles.shape), table[places[rows]])
                    )
                return encoded

            rivals["torchhd"] = Rival(theirs, same_vectors(self.peer, "records", vsa), naive=True)
        return Case(f"{n:,} records of {len(FIELDS)} fields", ours, rivals)

    def text(self) -> Case:
        """Encode the trigrams of a text."""
        vsa, n = self.vsa, self.sizes.letters
        text = "".join(LETTERS[i] for i in np.random.default_rng(0).integers(0, len(LETTERS), n))
        structure = hdc.NGrams(vsa, 3)
        rivals = {}
        if self.peer:
            table = self.peer.convert(vsa, vsa.symbols(list(LETTERS)))
            numbers = {letter: i for i, letter in enumerate(LETTERS)}
            rivals["torchhd"] = Rival(
                lambda: torchhd.ngrams(table[torch.tensor([numbers[letter] for letter in text])], 3),
                same_vectors(self.peer, "text", vsa),
                naive=True,
            )
        return Case(f"trigrams of {n:,} letters", lambda: structure.encode(text), rivals)
