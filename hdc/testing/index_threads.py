"""What every index promises to threads, and to what a fork makes of its process."""

import itertools
import os
import threading
import time
import warnings
from collections.abc import Callable, Sequence

from hdc.errors import HDCError
from hdc.search.index import Index
from hdc.testing.index_cases import ROWS, Held, IndexCase, Pair, Place, check_content, wrong_with
from hdc.testing.index_laws import Law


def _changes_of_threads(place: Place) -> str | None:
    """Check that what several threads change in one object is all there."""
    for _ in range(place.times):
        path = place.another().path
        index = place.case.create(path)
        try:
            expected = _change_in_threads(place.case, index)
            check_content(place.case, index, expected)
            index.verify()
            if path is not None:
                index.close()
                index = place.case.open(path)
                check_content(place.case, index, expected)
                index.verify()
        finally:
            index.close()
    return None


def _change_in_threads(case: IndexCase, index: Index) -> Held:
    """Change an index in four threads, each with keys of its own; return what it should hold."""
    held: list[Held] = [{} for _ in range(4)]

    def work(name: int) -> None:
        pair = Pair(case, index)
        held[name] = pair.held
        for i in range(6):
            keys = [f"{name} {i} {j}" for j in range(3)]
            pair._hold([int(x) for x in case.put(index, [i, i + 1, i + 2], keys)], [i, i + 1, i + 2], keys)
            if i % 2:
                pair._hold([int(x) for x in case.put(index, [i + 9], keys[:1])], [i + 9], keys[:1])
                pair.remove(keys=keys[2:])
            if i == name:
                index.compact()

    _in_threads([lambda name=name: work(name) for name in range(4)])  # type: ignore[misc]
    together = {number: row for part in held for number, row in part.items()}
    assert len(together) == sum(map(len, held)), "two threads were given the same id"
    return together


def _searches_of_threads(place: Place) -> str | None:
    """Threads that search while another one changes see one of the states that were there during the search."""
    for _ in range(place.times):
        path = place.another().path
        pair = Pair(place.case, place.case.create(path))
        try:
            pair.put(range(24), [f"k{i}" for i in range(24)])
            if path is not None:  # freshly opened: nothing is prepared for searches
                pair.index.close()
                pair.index = place.case.open(path, writable=True)
            _search_in_threads(pair)
            pair.check(range(6))
        finally:
            pair.index.close()
    return None


def _search_in_threads(pair: Pair) -> None:
    case, history = pair.case, [dict(pair.held)]
    begun, finished = 0, threading.Event()  # history[begun] is being made, or is there

    def change() -> None:
        nonlocal begun
        try:
            for i in range(14):
                turn, following = i % 4, Pair(case, pair.index, pair.held, pair.next_id)
                keys = [f"k{(5 * i + j) % 30}" for j in range(3)]
                if turn == 3:
                    pair.index.compact()
                    continue
                # what the change will lead to is known before it is made, but for new ids, of which there are none
                known = {key: number for number, (_, key) in pair.held.items()}
                keys = [key for key in keys if key in known]
                if turn == 0:
                    rows = [(i + j) % ROWS for j in range(len(keys))]
                    following._hold([known[key] for key in keys], rows, keys)
                elif turn == 1:
                    for key in keys[:1]:
                        del following.held[known[key]]
                else:
                    following._hold([pair.next_id], [i], [f"k{30 + i}"])
                history.append(dict(following.held))
                begun += 1
                if turn == 0:
                    pair.put(rows, keys)
                elif turn == 1:
                    pair.remove(keys=keys[:1])
                else:
                    pair.put([i], [f"k{30 + i}"])
                assert pair.held == history[-1], "new ids do not follow one another"
                time.sleep(0.002)
        finally:
            finished.set()

    def search(name: int) -> None:
        for query in itertools.count(name):
            done = finished.is_set()
            first = max(0, begun - 1)
            found = case.search(pair.index, query % ROWS, 5, None)
            last = begun
            problems = [wrong_with(case, held, query % ROWS, 5, found) for held in history[first : last + 1]]
            assert "" in problems, f"search for row {query % ROWS} fits no state of its time: {problems[-1]}"
            if done:
                return

    _in_threads([change, *((lambda name=name: search(name)) for name in range(3))])


def _in_threads(calls: Sequence[Callable[[], None]]) -> None:
    """Run calls in a thread each, begun at once; raise the first error."""
    errors: list[BaseException] = []
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], None]) -> None:
        barrier.wait()
        try:
            call()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _fork(place: Place) -> str | None:
    """Check that a child refuses to change what its parent has open, and keeps no lock of it."""
    if not hasattr(os, "fork"):
        return "this system has no fork"
    with place.pair() as pair:
        pair.put(range(5), list("abcde"))
        index = pair.index
        refused, child = _forked(lambda: index.remove(ids=[1]))
        try:
            assert refused, "a forked child changes what its parent has open"
            pair.put([7], ["a"])
            pair.check(range(5))
            index.close()
            pair.index = place.open(writable=True)  # the child lives, and the lock is free
            pair.check(range(5))
        finally:
            child()
        pair.add([8])
        pair.index.verify()
        pair.check(range(5))
    return None


def _forked(call: Callable[[], object]) -> tuple[bool, Callable[[], None]]:
    """Call in a child that lives on; return whether a typed error was raised there, and what ends the child."""
    reading, writing = os.pipe()
    stop, go = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks of processes with threads
        child = os.fork()
    if child == 0:
        answer = b"changed"
        try:
            os.close(go)
            call()
        except HDCError:
            answer = b"refused"
        except BaseException as error:
            answer = repr(error).encode()
        finally:
            os.write(writing, answer)
            os.read(stop, 1)
            os._exit(0)
    os.close(writing)
    os.close(stop)
    answer = os.read(reading, 1000)
    os.close(reading)

    def end() -> None:
        os.close(go)
        os.waitpid(child, 0)

    if answer not in (b"changed", b"refused"):
        end()
        raise AssertionError(f"in a forked child a change raises {answer.decode()}")
    return answer == b"refused", end


LAWS: dict[str, Law] = {
    "changes-of-threads": _changes_of_threads,
    "searches-of-threads": _searches_of_threads,
}
LAWS_OF_FOLDERS: dict[str, Law] = {"fork": _fork}
