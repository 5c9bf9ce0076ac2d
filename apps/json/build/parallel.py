"""Work on the parts of files in several processes, the results in the order of the parts."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Self, TypeVar

import hdc
from hdc.errors import HDCError

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 2
"""Results for each process that are made before they are asked for."""


class WorkerError(HDCError, RuntimeError):
    """A process that worked for this one has ended, killed by the system perhaps."""


class Workers:
    """Processes that work for this one, from the first call on until they are left.

    Parameters
    ----------
    jobs : int
        How many; 1 is this one.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def in_order(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield ``work(item)`` for each item in turn.

        Parameters
        ----------
        work : function
            At the top of a module, or an object of a class there, so that it can be sent to another process.
        items : iterable

        Raises
        ------
        WorkerError
            If a process ends before its work.
        """
        if self._jobs == 1:
            yield from map(work, items)
            return
        if self._pool is None:
            context = multiprocessing.get_context("spawn")  # a fork would inherit the threads of kernels, half of them
            self._pool = ProcessPoolExecutor(self._jobs, mp_context=context, initializer=_begin)
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                with _uninterrupted():
                    waiting.append(self._pool.submit(work, item))
                if len(waiting) > AHEAD * self._jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise WorkerError("a working process ended early; is there memory enough? try fewer --jobs") from error


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
