"""Work that a server does beside requests: in a thread of its own, watched while it runs, called off at any time."""

import logging
import threading
from collections.abc import Callable

from hdc.errors import HDCError

LOG = logging.getLogger("hdc.serve")


class CalledOffError(HDCError):
    """The work was called off."""


class Job:
    """Work under way, or done.

    Attributes
    ----------
    state : {"working", "ready", "cancelled", "failed"}
    error : str
        What went wrong, for people.
    """

    def __init__(self) -> None:
        self.state, self.error = "working", ""
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, work: Callable[[], None], after: Callable[[], None] = lambda: None) -> None:
        """Begin the work, and call ``after`` when it has ended in whatever way."""
        self._thread = threading.Thread(target=self._run, args=(work, after), name="hdc job", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise CalledOffError if the work was called off; the work asks this often."""
        if self._stopped.is_set():
            raise CalledOffError("the work was called off")

    def cancel(self) -> None:
        """Call the work off, and wait until nothing of it runs."""
        self._stopped.set()
        self.wait()

    def wait(self) -> None:
        """Wait until the work has ended."""
        if self._thread is not None:
            self._thread.join()

    def _run(self, work: Callable[[], None], after: Callable[[], None]) -> None:
        state = "failed"
        try:
            work()
            state = "ready"
        except CalledOffError:
            state = "cancelled"
        except Exception as error:
            if isinstance(error, HDCError | OSError):
                self.error = str(error)
            else:
                self.error = "the server failed; its log says where"
                LOG.error("a job failed", exc_info=error)
        finally:
            after()
            self.state = state
