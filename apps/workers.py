"""Work on parts of what is read in several processes, the results in the order of the parts."""

import gc
import itertools
import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Self, TypeVar

import hdc
from hdc.apps.garbage import uncollected
from hdc.errors import HDCError

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 2
"""Results for each process that are made before they are asked for."""


class WorkerError(HDCError, RuntimeError):
    """A process that worked for this one has ended, killed by the system perhaps."""


class Workers:
    """Processes that work on items; one that works itself if there is to be only one.

    They begin with the first items, and end with the context.

    Parameters
    ----------
    jobs : int
    """

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def in_order(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield ``work(item)`` for each item in turn.

        Parameters
        ----------
        work : function
            At the top of a module, or an object of a class there, so that it can be sent to other processes; each gets
            it once, and may remember in it what serves other items too.
        items : iterable

        Raises
        ------
        WorkerError
            If a process ends before its work.
        """
        if self.jobs == 1:
            for item in items:
                with uncollected():
                    result = work(item)
                yield result
            return
        if self._pool is None:
            context = multiprocessing.get_context("spawn")  # a fork would inherit the threads of kernels, half of them
            self._pool = ProcessPoolExecutor(self.jobs, mp_context=context, initializer=_begin)
        number, packed = next(_NUMBERS), pickle.dumps(work)
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                with _uninterrupted():
                    waiting.append(self._pool.submit(_done_here, number, packed, item))
                if len(waiting) > AHEAD * self.jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            text = f"a working process ended early; is there memory enough? try fewer than {self.jobs} processes"
            raise WorkerError(text) from error
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Put Ctrl-C off, for this thread and for processes that begin meanwhile: these never get it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_NUMBERS = itertools.count()
_HERE: dict[int, Callable[[Any], Any]] = {}
"""The work that a process is at, by its number."""


def _done_here(number: int, packed: bytes, item: Any) -> Any:
    if number not in _HERE:
        _HERE.clear()
        _HERE[number] = pickle.loads(packed)
        gc.freeze()  # what is there by now is no garbage
    with uncollected():
        result = _HERE[number](item)
    gc.collect()  # tables of leaves are cycles
    return result


def _begin() -> None:
    """Leave Ctrl-C to the parent, end with it however it ends, and use one thread."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    hdc.threads(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
