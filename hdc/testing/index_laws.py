"""What every index promises about rows, searches, changes, files, readers and damage."""

import contextlib
from collections.abc import Callable, Iterator

from hdc.errors import HDCError, ParameterError, UnsupportedError
from hdc.testing.index_cases import ROWS, IndexCase, Pair, Place, check_content, check_search, wrong_with

Law = Callable[[Place], str | None]
"""Raises AssertionError if the law is broken; returns a reason if it does not apply."""

TOLD = (HDCError, OSError)
"""Errors that an index may raise."""


def _empty(place: Place) -> str | None:
    with place.pair() as pair:
        pair.check()
        index = pair.index
        assert place.case.search(index, 0, 3, None) == [], "a search in an empty index finds something"
        assert index.keys([]) == [], "no ids have keys"
        assert index.documents([]) == [], "no ids have documents"
        assert index.remove(ids=[]) == 0, "nothing was to be removed"
        index.verify()
        index.compact()
        pair.reopen(place)
        pair.check()
        pair.add([])
        pair.check()
    return None


def _rows(place: Place) -> str | None:
    with place.pair() as pair:
        for count in (1, 5, 0, 12):
            pair.add(range(len(pair.held), len(pair.held) + count))
            pair.check([0], 3)
        pair.add([1, 1, 2], ["a", "b", "ü\0"])
        pair.check(range(9))
        ids = list(pair.held)
        assert pair.index.keys([-1, ids[0], -1])[::2] == [None, None], "-1 is no id, and has a key"
        pair.reopen(place)
        pair.check(range(9))
    return None


def _refusals(place: Place) -> str | None:
    """Check that what is refused with a typed error changes nothing."""
    with place.pair() as pair:
        pair.add(range(6), list("abcdef"))
        index, missing = pair.index, pair.next_id + 3
        refused: list[Callable[[], object]] = [
            lambda: place.case.add(index, [7, 8], ["new", "a"]),
            lambda: place.case.add(index, [7, 8], ["new", "new"]),
            lambda: index.remove(ids=[0, missing]),
            lambda: index.remove(ids=[0], keys=["nobody"]),
            lambda: index.documents([0, missing]),
            lambda: index.document(missing),
            lambda: index.keys([missing]),
            lambda: place.case.search(index, 0, 0, None),
            lambda: place.case.search(index, 0, -1, None),
            lambda: index.remove(ids=[0.5]),
            lambda: index.remove(ids="a"),
            lambda: index.remove(keys=[3]),  # type: ignore[list-item]
            lambda: index.keys([0.5]),
            lambda: index.keys("a"),
            lambda: index.find(3),  # type: ignore[arg-type]
        ]
        if place.case.chooses:
            refused.append(lambda: place.case.search(index, 0, 3, [0, missing]))
        if place.case.updates:
            refused.append(lambda: place.case.update(index, [0, missing], [1, 2], ["a", "z"]))
            refused.append(lambda: place.case.update(index, [0, 0], [1, 2], ["a", "a"]))
        for number, call in enumerate(refused):
            with _refuses(f"refusal {number}", HDCError):
                call()
        pair.check(range(6))
        pair.add([9], ["new"])
        pair.check()
    return None


@contextlib.contextmanager
def _refuses(what: str, *kinds: type[Exception]) -> Iterator[None]:
    refusal: Exception | None = None
    try:
        yield
    except kinds as error:
        refusal = error
    assert refusal is not None, f"{what} is not refused"
    assert str(refusal), f"{what} is refused without a word"


def _search(place: Place) -> str | None:
    with place.pair() as pair:
        pair.add(range(ROWS))
        _check_searches(place.case, pair)
        pair.remove(sorted(pair.held)[::3])
        if place.case.updates:
            pair.update(sorted(pair.held)[:4], [40, 41, 40, 3])
        pair.put([5, 6], ["x", "y"])
        _check_searches(place.case, pair)
        pair.reopen(place)
        _check_searches(place.case, pair)
    return None


def _check_searches(case: IndexCase, pair: Pair) -> None:
    right = asked = 0
    for query in range(ROWS):
        for k in (1, 5, len(pair.held), len(pair.held) + 9) if query % 8 == 0 else (3,):
            found = case.search(pair.index, query, k, None)
            problem = wrong_with(case, pair.held, query, k, found)
            assert not problem, f"search for row {query}, k={k}: {problem}"
            scores = [case.score(query, row) for row, _ in pair.held.values()]
            best = sorted(score for score in scores if score > 0 or not case.positive)
            if not best:
                continue
            worst = (best[::-1] if case.greatest else best)[: min(k, len(best))][-1]
            slack = case.tolerance if case.greatest else -case.tolerance
            right += sum((score >= worst - slack) if case.greatest else (score <= worst - slack) for score, _ in found)
            asked += min(k, len(best))
    assert right >= case.recall * asked - 1e-9, f"{right} of {asked} best rows were found, fewer than {case.recall:.0%}"
    if case.chooses:
        ids = sorted(pair.held)
        for among in (ids[:1], ids[::2], ids):
            check_search(case, pair.index, pair.held, 7, 4, among)
        assert case.search(pair.index, 7, 4, []) == [], "among no ids, some are found"


def _changes(place: Place) -> str | None:
    with place.pair() as pair:
        pair.put([0, 1, 2, 3], list("abcd"))
        pair.put([4, 5], ["b", "e"])
        pair.check(range(6))
        pair.remove(keys=["a"])
        pair.remove([pair.index.find("b") or 0], ["e"])
        pair.check(range(6))
        pair.put([6], ["a"])  # a new row: the key was free
        pair.remove([max(pair.held)])
        pair.add([7])
        pair.check(range(8))
        if place.case.updates:
            pair.update(sorted(pair.held)[::2], range(8, 8 + len(sorted(pair.held)[::2])))
            pair.check(range(12))
        pair.remove(sorted(pair.held))
        pair.check([0])
        pair.reopen(place)
        pair.add([1, 2])  # ids of removed rows are not given again
        pair.compact_and_check()
        pair.remove(sorted(pair.held))
        pair.compact_and_check()
        pair.reopen(place)
        pair.add([3])
        pair.check([3])
    return None


def _filter(place: Place) -> str | None:
    with place.pair() as pair:
        pair.put(range(20), [f"k{i}" for i in range(20)])
        pair.remove(keys=["k3"])
        wanted = [place.case.document(number, f"k{number}") for number in (1, 3, 4, 9)]
        ids = [i for i, (number, key) in pair.held.items() if place.case.document(number, key) in wanted]
        found = pair.index.filter(lambda document: document in wanted)
        assert found.tolist() == sorted(ids), f"documents of ids {sorted(ids)} pass, and {found.tolist()} were returned"
        assert pair.index.filter(lambda _: False).tolist() == [], "nothing passes, and something is returned"
        if place.case.chooses and ids:
            check_search(place.case, pair.index, pair.held, 4, 3, sorted(ids))
    return None


def _compact(place: Place) -> str | None:
    with place.pair() as pair:
        keys = [f"k{i}" for i in range(30)]
        pair.put(range(30), keys)
        pair.compact_and_check()
        before = _size(place)
        for shift in range(1, 6):
            pair.put([(i + shift) % ROWS for i in range(30)], keys)
        pair.remove(keys=keys[:3])
        pair.compact_and_check()
        assert _size(place) <= 1.2 * before, f"compacted, the folder has {_size(place)} bytes; {before} were enough"
        pair.add([1])
        pair.check(range(8))
        pair.index.verify()
        pair.reopen(place)
        pair.check(range(8))
    return None


def _size(place: Place) -> int:
    files = [] if place.path is None else [path for path in place.path.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files)


def _files(place: Place) -> str | None:
    with place.pair() as pair:
        pair.add(range(9))
        pair.put([9, 10], ["a", "b"])
        pair.remove([2])
        pair.index.verify()
        copy = place.folder.with_name("copy")
        pair.index.save(copy)
        with _refuses("saving over an index", ParameterError):
            pair.index.save(copy)
        pair.index.close()
        with place.open() as reader:
            check_content(place.case, reader, pair.held)
            check_search(place.case, reader, pair.held, 5, 4)
            reader.verify()
            assert not reader.writable, "a reader says that it writes"
            changes: list[Callable[[], object]] = [
                lambda: place.case.put(reader, [1], ["z"]),
                lambda: reader.remove(ids=[0]),
                lambda: reader.remove(ids=[]),
                reader.compact,
            ]
            for change in changes:
                with _refuses("a reader's change", UnsupportedError):
                    change()
        other = Pair(place.case, place.case.open(copy, writable=True), pair.held, pair.next_id)
        with other.index:
            other.check(range(9))
            other.add([3])  # ids go on
            other.check()
            other.index.verify()
        with _refuses("creating an index where one is", ParameterError):
            place.case.create(place.folder)
        pair.index = place.open(writable=True)
        pair.check(range(9))
        with _refuses("a folder that is not there", *TOLD):
            place.case.open(place.folder.with_name("nothing"))
    return None


def _closed(place: Place) -> str | None:
    """Check that what is closed answers as before or says that it is closed."""
    with place.pair() as pair:
        pair.put(range(4), list("abcd"))
        pair.index.close()
        index = pair.index
        calls: list[Callable[[], object]] = [
            lambda: index.keys([0]),
            lambda: index.documents([0]),
            lambda: index.find("a"),
            lambda: place.case.search(index, 0, 2, None),
            lambda: place.case.put(index, [1], ["z"]),
            lambda: index.remove(ids=[0]),
            index.compact,
            index.verify,
            index.close,
        ]
        for call in calls:
            with contextlib.suppress(HDCError):
                call()
        repr(index)  # debuggers and notebooks ask for it whenever they like
        pair.index = index = place.open(writable=True)
        pair.check(range(4))
    return None


def _one_writer(place: Place) -> str | None:
    with place.pair() as pair:
        pair.add(range(3))
        with _refuses("a second writer", BlockingIOError):
            place.open(writable=True)
        with place.open() as reader:  # a reader is welcome
            check_content(place.case, reader, pair.held)
        pair.add([4])
        pair.index.close()
        pair.index = place.open(writable=True)
        pair.check(range(3))
    return None


def _snapshots(place: Place) -> str | None:
    case = place.case
    with place.pair() as pair:
        pair.put(range(8), list("abcdefgh"))
        with place.open() as reader:
            for change in _CHANGES:
                seen = dict(pair.held)
                change(pair)
                for _ in range(2):  # the second time what the first one prepared is used
                    check_content(case, reader, seen)
                    check_search(case, reader, seen, 3, 4)
                    reader.verify()
                with place.open() as other:
                    check_content(case, other, pair.held)
                assert reader.refresh() is (seen != pair.held or change is _compacted), "refresh says the wrong thing"
                check_content(case, reader, pair.held)
                check_search(case, reader, pair.held, 3, 4)
                assert reader.refresh() is False, "nothing changed, and refresh says so"
            assert pair.index.refresh() is False, "a writer is always up to date"
    return None


def _several(pair: Pair) -> None:
    pair.put([9], ["a"])
    pair.add([10])
    pair.remove(keys=["b"])


def _compacted(pair: Pair) -> None:
    pair.index.compact()


_CHANGES: tuple[Callable[[Pair], None], ...] = (
    _several,
    _compacted,
    lambda pair: pair.remove([max(pair.held)]),
    lambda pair: pair.put([11, 12], ["c", "new"]),
    lambda pair: None,
)


def _damage(place: Place) -> str | None:
    """Check that a changed byte is told when the index is opened, verified or read, or changes nothing."""
    with place.pair() as pair:
        pair.put(range(9), [f"k{i}" for i in range(9)])
        pair.remove(keys=["k3"])
        place.case.search(pair.index, 0, 3, None)
    for path in sorted(path for path in place.folder.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        for position in sorted({0, len(whole) // 3, len(whole) // 2, len(whole) - 1} if whole else ()):
            damaged = bytearray(whole)
            damaged[position] ^= 0x10
            path.write_bytes(damaged)
            try:
                _check_all(place, pair)
            except AssertionError as error:
                raise AssertionError(f"{path.name}: byte {position} of {len(whole)} changed: {error}") from error
            except TOLD:
                pass
            path.write_bytes(whole)
    _check_all(place, pair)
    return None


def _check_all(place: Place, pair: Pair) -> None:
    with place.open() as index:
        for query in range(0, ROWS, 6):
            check_search(place.case, index, pair.held, query, 5)
        check_content(place.case, index, pair.held)
        index.verify()


LAWS: dict[str, Law] = {
    "empty": _empty,
    "rows": _rows,
    "refusals": _refusals,
    "search": _search,
    "changes": _changes,
    "filter": _filter,
    "compact": _compact,
}
LAWS_OF_FOLDERS: dict[str, Law] = {
    "files": _files,
    "closed": _closed,
    "one-writer": _one_writer,
    "snapshots": _snapshots,
    "damage": _damage,
}
