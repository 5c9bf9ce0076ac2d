"""One suite over every index, kind, place and backend; and indexes that it must find broken."""

import numpy as np
import pytest

from hdc import errors
from hdc.apps.retrieval import BinaryIndex
from hdc.testing import IndexCase, LawError, check_index, check_index_law, index_laws
from tests.indexes import CODES, Codes, cases, pairs

CASES = {case.name: case for case in cases()}


@pytest.mark.parametrize("law", index_laws())
@pytest.mark.parametrize("name", CASES)
def test_law(name, law):
    for outcome in check_index_law(CASES[name], law):
        assert outcome.outcome == "held" or outcome.outcome.startswith("skipped: "), outcome


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_every_law_deeply(name):
    assert len(check_index(CASES[name], deep=True)) >= len(index_laws())


class Broken(Codes):
    """An index with a fault."""

    def __init__(self, index, **methods):
        super().__init__()
        self.index = index
        for name, method in methods.items():
            setattr(self, name, method.__get__(self))

    def create(self, path):
        return self.index(128, path=path)

    def open(self, path, *, writable=False):
        return self.index.open(path, writable=writable)


class LosesAnId(BinaryIndex):
    def ids(self):
        return super().ids()[1:]


class RemovesNothing(BinaryIndex):
    def remove(self, ids=None, keys=None):
        return len(list(ids or [])) + len(list(keys or []))


class ForgetsKeys(BinaryIndex):
    def find(self, key):
        return None


class CompactsToNewIds(BinaryIndex):
    def compact(self):
        super().compact()
        self.shift = 1

    def ids(self):
        return super().ids() + getattr(self, "shift", 0)


class SeesTheFuture(BinaryIndex):
    def __len__(self):
        if not self.writable:
            self.refresh()
        return super().__len__()

    def ids(self):
        if not self.writable:
            self.refresh()
        return super().ids()


class VerifiesNothing(BinaryIndex):
    def verify(self):
        return None


def backwards(self, index, number, k, among):
    return pairs(*index.search(CODES[[number]], k, among=among))[::-1]


def everywhere(self, index, number, k, among):
    return pairs(*index.search(CODES[[number]], k))


def replaces(self, index, numbers, keys):
    if keys is None:
        return index.add(CODES[list(numbers)])
    return index.put(CODES[list(numbers)], keys)


@pytest.mark.parametrize(
    ("law", "broken"),
    [
        ("rows", Broken(LosesAnId)),
        ("changes", Broken(RemovesNothing)),
        ("rows", Broken(ForgetsKeys)),
        ("compact", Broken(CompactsToNewIds)),
        ("snapshots", Broken(SeesTheFuture)),
        ("search", Broken(BinaryIndex, search=backwards)),
        ("search", Broken(BinaryIndex, search=everywhere)),
        ("refusals", Broken(BinaryIndex, add=replaces)),
    ],
)
def test_broken_indexes_are_found(law, broken):
    with pytest.raises(LawError, match=f"law '{law}' is broken"):
        check_index_law(broken, law)


def test_all_broken_laws_are_named():
    with pytest.raises(LawError) as caught:
        check_index(Broken(LosesAnId))
    assert str(caught.value).count("is broken by") > 1


def test_an_unknown_law_is_named():
    with pytest.raises(errors.UnknownNameError, match="known: empty"):
        check_index_law(Codes(), "justice")


def test_a_case_says_how_rows_are_made():
    with pytest.raises(TypeError, match="abstract"):
        IndexCase()
    assert np.unique(CODES, axis=0).shape[0] < len(CODES), "equal rows are part of the checks"
