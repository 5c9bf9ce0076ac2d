"""Where the ``hdc`` command begins and ends: Ctrl-C ends it quietly, also while Python loads the rest."""

import os
import signal
import sys

INTERRUPTED = 130


def main() -> int:
    """Load the command line, run it, and return its exit status; see :func:`hdc.apps.cli.main`."""
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:  # what a shell starts in the background ignores Ctrl-C
        signal.signal(signal.SIGINT, _leave)
        sys.unraisablehook = _unraisable
    from hdc.apps import cli

    if not interruptible:
        return cli.main()
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # files are put in order before it ends
        status = cli.main()
    except KeyboardInterrupt:  # it came before the command began, or after its end
        status = INTERRUPTED
    signal.signal(signal.SIGINT, _leave)
    if status == INTERRUPTED:  # Python would wait for threads that were interrupted while they began, for ever
        try:
            sys.stdout.flush()
        finally:  # whether or not somebody reads it any more
            _leave()
    return status


def _leave(*_: object) -> None:
    """End at once: nothing was begun, or everything is done."""
    os._exit(INTERRUPTED)


def _unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    """End at Ctrl-C that came where no exception can leave: in a callback of the compiler, in a finalizer."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        _leave()
    sys.__unraisablehook__(unraisable)


if __name__ == "__main__":
    sys.exit(main())
