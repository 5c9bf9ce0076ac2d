"""Run the work of requests in threads: limits on parallel calls, on waiting calls, and on the time of each."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from hdc.apps.serve.answers import RefusedError
from hdc.apps.serve.limits import Limits

T = TypeVar("T")


class Running:
    """Runs functions in a limited number of threads.

    Kernels release Python's GIL, so searches run in parallel. A call whose time runs out before it starts is dropped. A
    call that has started keeps its thread and counts until it ends, so work never piles up.

    Parameters
    ----------
    limits : Limits

    Attributes
    ----------
    taken : int
        Calls that run or wait.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits, self.taken = limits, 0
        self._counting = threading.Lock()
        self._pool = ThreadPoolExecutor(limits.threads, thread_name_prefix="serve")

    async def run(self, call: Callable[[], T], seconds: float | None = None) -> T:
        """Call a function in a thread and return its result.

        Parameters
        ----------
        call : function
        seconds : float, optional
            Time limit, if less than ``limits.seconds``.

        Raises
        ------
        RefusedError
            429 if too many calls wait, 504 if the time is over.
        """
        with self._counting:
            if self.taken >= self._limits.threads + self._limits.waiting:
                message = f"{self._limits.waiting} requests are waiting; try again in a second"
                raise RefusedError(429, message, "TooManyRequests", {"retry-after": "1"})
            self.taken += 1
        work = self._pool.submit(call)
        work.add_done_callback(self._release)
        time = self._limits.seconds if seconds is None else min(seconds, self._limits.seconds)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(work), time)
        except TimeoutError:
            begun = "" if work.cancel() else "; it had begun, so a change may have been made"
            raise RefusedError(504, f"this took longer than {time:g} s{begun}", "TimeoutError") from None

    def _release(self, done: Future[Any]) -> None:
        with self._counting:
            self.taken -= 1

    def close(self) -> None:
        """Drop waiting calls, and wait for running ones."""
        self._pool.shutdown(wait=True, cancel_futures=True)
