"""Work in forked children, which may crash, hang or be killed without harm."""

import os
import pickle
import signal
from collections.abc import Callable
from typing import Any

SECONDS = 60
"""What takes longer hangs."""

FAST = "/dev/shm" if os.path.isdir("/dev/shm") else None
"""Where temporary folders are in memory."""

Say = Callable[[Any], None]


class WrongError(Exception):
    """What must not be: its kind, and how it showed."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(kind, text)
        self.kind, self.text = kind, text


def in_child(work: Callable[[Say], None], seconds: int = SECONDS) -> tuple[list[Any], int]:
    """Run a function in a forked child.

    Parameters
    ----------
    work : function
        Gets ``say``, which reports a value that can be pickled, at once, and gives it ``seconds`` more.
    seconds : int
        A child that is silent for longer is killed.

    Returns
    -------
    said : list
        The last one is a :class:`WrongError` if the function raised one, or anything else but what ends a process.
    status : int
        0, or 1 after an error, or the signal that ended the child, negative: ``-signal.SIGALRM`` if it hung.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)

            def say(value: Any) -> None:
                signal.alarm(seconds)
                data = pickle.dumps(value)
                os.write(writing, len(data).to_bytes(8, "little") + data)

            signal.alarm(seconds)
            try:
                work(say)
                status = 0
            except WrongError as error:
                say(error)
            except BaseException as error:
                say(WrongError("wrong", f"{type(error).__name__}: {error}"))
        finally:
            os._exit(status)
    os.close(writing)
    with open(reading, "rb") as file:
        data = file.read()
    _, status = os.waitpid(child, 0)
    said, start = [], 0
    while len(data) - start >= 8:
        length = int.from_bytes(data[start : start + 8], "little")
        if len(data) - start - 8 < length:
            break
        said.append(pickle.loads(data[start + 8 : start + 8 + length]))
        start += 8 + length
    return said, os.waitstatus_to_exitcode(status)


def ended(status: int) -> str:
    """Say how a child ended that should have gone on."""
    if status == -signal.SIGALRM:
        return "hangs"
    return f"is killed by {signal.Signals(-status).name}" if status < 0 else f"ends with status {status}"
