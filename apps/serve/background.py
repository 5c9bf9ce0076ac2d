"""Background jobs of a server: each runs in its own thread, reports progress, and can be canceled at any time."""

import logging
import threading
from collections.abc import Callable

from hdc.apps.serve.answers import said
from hdc.errors import HDCError

LOG = logging.getLogger("hdc.serve")


class CalledOffError(HDCError):
    """The job was canceled."""


class Job:
    """A running or finished background job.

    Attributes
    ----------
    state : {"working", "ready", "canceled", "failed"}
    error : str
        Message of the failure, for people.
    """

    def __init__(self) -> None:
        self.state, self.error = "working", ""
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, work: Callable[[], None], after: Callable[[], None] = lambda: None) -> None:
        """Start the work in a thread, and call ``after`` when it ends, however it ends."""
        self._thread = threading.Thread(target=self._run, args=(work, after), name="hdc job", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise CalledOffError if the job was canceled; the work calls this often."""
        if self._stopped.is_set():
            raise CalledOffError("the job was canceled")

    def cancel(self) -> None:
        """Cancel the job, and wait until it has stopped."""
        self._stopped.set()
        self.wait()

    def wait(self) -> None:
        """Wait until the job has ended."""
        if self._thread is not None:
            self._thread.join()

    def _run(self, work: Callable[[], None], after: Callable[[], None]) -> None:
        state = "failed"
        try:
            work()
            state = "ready"
        except CalledOffError:
            state = "canceled"
        except Exception as error:
            kind, self.error = said(error)
            if kind == "InternalError":
                LOG.error("a job failed", exc_info=error)
        finally:
            after()
            self.state = state
