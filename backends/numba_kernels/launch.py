"""Whether to run a kernel on threads, and how many at once."""

import os
from contextlib import AbstractContextManager, nullcontext
from threading import Lock

import numba

_one_at_a_time = Lock()
_in_forked_child = False


def _after_fork() -> None:
    global _in_forked_child, _one_at_a_time
    _in_forked_child = True
    _one_at_a_time = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def chunk_count(work: int, work_per_thread: int) -> int:
    """Return into how many chunks to split ``work``: at most one a thread, none smaller than asked.

    A forked child stays serial, for the thread pools under Numba do not survive ``os.fork``.
    """
    if work < 2 * work_per_thread or _in_forked_child:
        return 1
    return int(min(numba.get_num_threads(), work // work_per_thread))


def parallel_region() -> AbstractContextManager[object]:
    """Return what to hold around a parallel kernel: a lock, if the threading layer runs one at a time."""
    try:
        layer = numba.threading_layer()
    except ValueError:  # nothing has run in parallel yet, so the layer is not known
        return _one_at_a_time
    return _one_at_a_time if layer == "workqueue" else nullcontext()
