"""Distribute rows over threads: every kernel has one compiled form, which works on rows ``start`` to ``stop``.

A serial call runs that form over all rows. A threaded call runs it, without the GIL, on a slice of the rows in each
thread of one pool. Compared with ``prange``, this compiles each kernel once instead of twice, works from many Python
threads and after a fork, and needs no OpenMP or TBB. It costs about 20 us per call, so a thread is only used for at
least ``GRAIN`` of work.
"""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from itertools import pairwise
from typing import Any

from hdc.errors import ParameterError

GRAIN = 150_000.0
"""Smallest estimated work, in nanoseconds, that is worth a thread."""

MOST_THREADS = 256


def available() -> int:
    """Return the number of processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return min(MOST_THREADS, len(os.sched_getaffinity(0)))
    return min(MOST_THREADS, os.cpu_count() or 1)


def _checked(n: int | str, source: str) -> int:
    count = int(n) if str(n).isdecimal() else 0
    if not 1 <= count <= MOST_THREADS:
        raise ParameterError(f"{source} is {n!r}; it must be a whole number from 1 to {MOST_THREADS}")
    return count


_shared_out = threading.local()
"""``already`` is set while a thread works on a slice of :func:`share`."""

_limit = _checked(os.environ.get("HDC_THREADS") or available(), "the environment variable HDC_THREADS")
_pool = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="hdc")


def _renew_pool() -> None:
    global _pool
    _pool = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="hdc")


def _submit(call: Callable[[], None]) -> "Future[None]":
    """Submit a call to the pool.

    If Ctrl-C interrupts the start of a thread, the pool does not know that thread, and Python would wait for it at exit
    forever. The pool is then shut down, which ends all its threads, and replaced.
    """
    pool = _pool
    try:
        return pool.submit(call)
    except BaseException as error:
        if pool is not _pool and isinstance(error, RuntimeError):  # another thread has just replaced the pool
            return _submit(call)
        _renew_pool()
        pool.shutdown(wait=False)
        raise


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_pool)  # a forked child has no threads of its parent


def threads(n: int | None = None) -> int:
    """Return how many threads a kernel may use; set it to ``n`` first if given.

    The default is the environment variable ``HDC_THREADS``, else the number of processors this process may use.

    Raises
    ------
    ParameterError
        If ``n``, or the variable at import, is not an integer from 1 to 256.
    """
    global _limit
    if n is not None:
        _limit = _checked(n, "the number of threads")
    return _limit


def slices(rows: int, nanoseconds: float) -> list[tuple[int, int]]:
    """Cut rows into consecutive slices, one per worthwhile thread; at least one, even without rows.

    Parameters
    ----------
    rows : int
    nanoseconds : float
        Estimated time of one row on one thread.
    """
    limit = 1 if getattr(_shared_out, "already", False) else _limit
    parts = max(1, min(limit, rows, int(rows * nanoseconds / GRAIN)))
    if parts == 1:
        return [(0, rows)]
    return list(pairwise(rows * part // parts for part in range(parts + 1)))


def run(calls: Sequence[Callable[[], None]]) -> None:
    """Run calls of compiled functions in parallel, the first one in the calling thread."""
    if len(calls) == 1:
        calls[0]()
        return
    pending = [_submit(call) for call in calls[1:]]
    try:
        calls[0]()
    finally:
        wait(pending)
    for future in pending:
        future.result()


def over_rows(kernel: Callable[..., None], rows: int, nanoseconds: float, *args: Any) -> None:
    """Run ``kernel(*args, start, stop)`` over all rows, in parallel slices if threads pay.

    Parameters
    ----------
    kernel : compiled function that writes rows ``start`` to ``stop`` of an output among ``args``
    rows, nanoseconds
        As :func:`slices`.
    """
    run([partial(kernel, *args, start, stop) for start, stop in slices(rows, nanoseconds)])


def share(work: Callable[[int, int], None], rows: int, nanoseconds: float) -> None:
    """Call ``work(start, stop)`` for slices of the rows, as :func:`over_rows`; kernels called inside stay serial.

    Parameters
    ----------
    work : callable that writes rows ``start`` to ``stop`` of an output
    rows, nanoseconds
        As :func:`slices`.
    """

    def alone(start: int, stop: int) -> None:
        before = getattr(_shared_out, "already", False)
        _shared_out.already = True
        try:
            work(start, stop)
        finally:
            _shared_out.already = before

    parts = slices(rows, nanoseconds)
    if len(parts) == 1:
        work(*parts[0])
    else:
        run([partial(alone, *part) for part in parts])
