"""Where the ``hdc`` command begins: Ctrl-C ends it quietly from here on, while Python still loads the rest."""

import signal
import sys

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where the shell has it ignored
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def main() -> int:
    """Load the command line, run it, and return its exit status; see :func:`hdc.apps.cli.main`."""
    from hdc.apps import cli

    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # files are put in order before it ends
    status = cli.main()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    return status


if __name__ == "__main__":
    sys.exit(main())
