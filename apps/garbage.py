"""When Python looks for garbage."""

import gc
import threading


class _Uncollected:
    """See :func:`uncollected`; threads count together."""

    def __init__(self) -> None:
        self._lock, self._inside, self._was_on = threading.Lock(), 0, False

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._was_on = gc.isenabled()
                gc.disable()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._was_on:
                gc.enable()


_UNCOLLECTED = _Uncollected()


def uncollected() -> _Uncollected:
    """Return a context in which Python looks for no garbage of circular references.

    Work on a batch makes many small objects and no such garbage. Python would look through all that is held again and
    again, which takes a third of the time where most leaves are new. It goes on when the work on the batch is done.
    """
    return _UNCOLLECTED
