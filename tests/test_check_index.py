"""``check_index`` on every index, and on indexes that are broken in ways that it must find."""

import gc
import weakref

import pytest

from hdc.errors import UnknownNameError
from hdc.testing import LawError, check_index, check_index_law, index_laws, indexes
from hdc.testing.index_cases import Place
from tests.index_cases import CASES, SlowCase, SlowIndex

pytestmark = pytest.mark.filterwarnings("error")


def needs(case):
    """Skip without the library that a graph needs."""
    if "hnsw" in case.name:
        pytest.importorskip("usearch", exc_type=ImportError)


LONG = ("any-sequence", "searches-of-threads", "changes-of-threads", "damage", "fork")
QUICK = (
    "binary flat numba, 1 levels with documents",
    "binary ivf auto, 3 levels",
    "binary hnsw auto, 1 levels",
    "embedding sign ivf keep=float32 auto",
    "embedding rabitq lists  keep=int8 numba",
    "slow",
)
"""Cases whose laws always run, but for those that take long: each kind and every way through a store. The others add
kernels."""

LONG_TOO = (*QUICK[:1], "slow")


def laws_of_cases():
    """Yield each case with each law; what takes long, or adds kernels only, is marked."""
    for name in CASES:
        for law in index_laws():
            often = LONG_TOO if law in LONG else (*QUICK, "json", "json shards")
            again = name not in often and (name, law) != ("json", "changes-of-threads")
            yield pytest.param(name, law, id=f"{name}-{law}", marks=[pytest.mark.slow] if again else [])


@pytest.mark.parametrize(("name", "law"), list(laws_of_cases()))
def test_law(name, law):
    needs(CASES[name])
    for outcome in check_index_law(CASES[name], law):
        assert outcome.outcome == "held", outcome


IN_DEPTH = [
    name for name in CASES if name.startswith(("binary flat auto", "binary ivf auto", "embedding rabitq", "json"))
]


@pytest.mark.slow
@pytest.mark.parametrize("law", ["searches-of-threads", "changes-of-threads"])
@pytest.mark.parametrize("name", IN_DEPTH)
def test_law_in_depth(name, law):
    needs(CASES[name])
    check_index_law(CASES[name], law, deep=True)


def test_outcomes_name_the_law_and_the_place():
    outcomes = check_index_law(SlowCase(), "empty") + check_index_law(SlowCase(), "snapshots")
    assert [outcome.law for outcome in outcomes] == ["empty (memory)", "empty (folder)", "snapshots (folder)"]
    with pytest.raises(UnknownNameError, match="unknown law 'x'; known: empty, rows"):
        check_index_law(SlowCase(), "x")


# ---------------------------------------------------------------------- broken indexes


class LosesAnId(SlowIndex):
    def add(self, numbers, keys=None):
        ids = super().add(numbers, keys)
        if len(ids) == 5:
            self.store.remove(ids[-1:])
        return ids


class GivesIdsAgain(SlowIndex):
    def add(self, numbers, keys=None):
        return super().add(numbers, keys) - (len(numbers) and self.store.snapshot.count > len(self) + len(numbers))


class IgnoresRemoval(SlowIndex):
    def remove(self, ids=None, keys=None):
        self._check_ids(ids or [])
        for key in keys or []:
            if self.find(key) is None:
                return super().remove(keys=keys)
        return len({*(ids or []), *map(self.find, keys or [])})


class ForgetsKeys(SlowIndex):
    def find(self, key):
        return None


class TiesTheWrongWay(SlowIndex):
    def search(self, number, k, among=None):
        found = super().search(number, len(self) + 1, among)
        return sorted(found, key=lambda pair: (pair[0], -pair[1]))[: len(super().search(number, k, among))]


class StopsEarly(SlowIndex):
    def search(self, number, k, among=None):
        return super().search(number, min(k, 2), among)


class WrongDistance(SlowIndex):
    def search(self, number, k, among=None):
        return [(min(distance, 20), i) for distance, i in super().search(number, k, among)]


class SearchesRemovedRows(SlowIndex):
    def search(self, number, k, among=None):
        snapshot = self.store.snapshot
        if among is not None or k < 1 or snapshot.alive is None:
            return super().search(number, k, among)
        pairs = zip(self.store.rows("number")[:, 0].tolist(), snapshot.ids.tolist(), strict=True)
        return sorted((abs(other - number // 2), i) for other, i in pairs)[:k]


class IgnoresAmong(SlowIndex):
    def search(self, number, k, among=None):
        return super().search(number, k)


class RaisesSomething(SlowIndex):
    def documents(self, ids):
        return [self.store.documents([i])[0] if i in self.ids() else {}[i] for i in ids]


class KeepsWhatItDropped(SlowIndex):
    def compact(self):
        pass


class IsNoSnapshot(SlowIndex):
    """Whatever it is asked, it looks at what is there now."""

    def __len__(self):
        self.refresh()
        return super().__len__()


class VerifyRefreshes(SlowIndex):
    def verify(self):
        super().verify()
        self.refresh()


class RefreshesNever(SlowIndex):
    def refresh(self):
        return False


class VerifiesNothing(SlowIndex):
    """Neither checks checksums nor verifies: a copy that is read once."""

    def verify(self):
        pass

    def search(self, number, k, among=None):
        if among is not None or k < 1 or self.store.writable:
            return super().search(number, k, among)
        return [(d, i) for d, i in super().search(number, k) if i != 4]


class ReadsTwice(SlowIndex):
    """Takes the ids of one moment and the rows of another."""

    def search(self, number, k, among=None):
        if among is not None or k < 1:
            return super().search(number, k, among)
        ids = self.ids().tolist()
        distances = {
            i: abs(int(self.store.snapshot.take("number", self.store.positions([i]))[0, 0]) - number // 2) for i in ids
        }
        return sorted((distance, i) for i, distance in distances.items())[:k]


@pytest.mark.parametrize(
    ("index", "law"),
    [
        (LosesAnId, "rows"),
        (GivesIdsAgain, "changes"),
        (IgnoresRemoval, "changes"),
        (ForgetsKeys, "rows"),
        (TiesTheWrongWay, "search"),
        (StopsEarly, "search"),
        (WrongDistance, "search"),
        (SearchesRemovedRows, "search"),
        (IgnoresAmong, "search"),
        (RaisesSomething, "refusals"),
        (KeepsWhatItDropped, "compact"),
        (IsNoSnapshot, "snapshots"),
        (VerifyRefreshes, "snapshots"),
        (RefreshesNever, "snapshots"),
        (VerifiesNothing, "damage"),
        (ReadsTwice, "searches-of-threads"),
    ],
)
def test_a_broken_index_is_found(index, law):
    case = SlowCase()
    case.index = index
    with pytest.raises(LawError, match=f"law '{law}' is broken by slow"):
        check_index_law(case, law)


@pytest.mark.slow
@pytest.mark.parametrize("index", [LosesAnId, IgnoresRemoval, TiesTheWrongWay, IsNoSnapshot])
def test_any_sequence_finds_it_too(index):
    case = SlowCase()
    case.index = index
    with pytest.raises(LawError, match="law 'any-sequence' is broken"):
        check_index_law(case, "any-sequence")


def test_all_broken_laws_are_named(monkeypatch):
    case = SlowCase()
    case.index = ForgetsKeys
    monkeypatch.setattr(indexes, "LAWS", {law: indexes.LAWS[law] for law in ("empty", "rows", "changes")})
    with pytest.raises(LawError, match=r"law 'rows' is broken.*\n.*law 'changes' is broken"):
        check_index(case)


@pytest.mark.parametrize("name", [*QUICK, "json", "json shards"])
def test_an_index_goes_at_once(name, tmp_path):
    """What it holds, mapped files and memory, is free when nobody holds it, not when Python looks for cycles."""
    needs(CASES[name])
    gc.collect()
    gc.disable()
    try:
        with Place(CASES[name], tmp_path / "index", 1).pair() as pair:
            pair.put(range(40), [str(number) for number in range(40)])
            pair.check([0, 1])
            gone = weakref.ref(pair.index), weakref.ref(pair.index.store)
        del pair
        assert [reference() for reference in gone] == [None, None]
    finally:
        gc.enable()
