"""The ``hdc`` command: each application adds its subcommands and is loaded when it runs."""

import importlib
import io
import os
import sys
from collections.abc import Sequence

import hdc
from hdc.apps.arguments import Parser
from hdc.apps.start import INTERRUPTED
from hdc.errors import HDCError

COMMANDS = (
    "hdc.apps.demo.command",
    "hdc.apps.json.cli.command",
    "hdc.apps.retrieval.command",
    "hdc.apps.retrieval.codes_command",
    "hdc.apps.capacity.command",
    "hdc.apps.learn.cli.command",
    "hdc.apps.serve.command",
    "hdc.apps.warmup",
    "hdc.apps.completion",
)
"""Modules with ``register(subparsers)``; they import the rest of their application when a command runs."""

BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 after an error, 2 for wrong usage.

    An error is one line on standard error. Interrupted with Ctrl-C: 130. If the reader of standard output has
    gone: 141. What the encoding of standard output lacks is written as an escape.
    """
    name, words = "hdc", list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if any("\0" in word for word in words):  # from Python only: no system passes them on
            return _fail(name, "an argument contains NUL; remove it")
        arguments = parser().parse_args(words)
        name = arguments.parser.prog
        status = int(arguments.run(arguments))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # What is still buffered would fail again when the interpreter flushes it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except HDCError as error:
        return _fail(name, str(error))
    except OSError as error:
        return _fail(name, f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except MemoryError:
        return _fail(name, "out of memory")
    return status


def parser() -> Parser:
    """Return the parser of ``hdc`` with all subcommands."""
    root = Parser(prog="hdc", description="Hyperdimensional computing on real data.")
    root.set_defaults(root=root)
    root.add_argument("--version", action="version", version=f"hdc-toolkit {hdc.__version__}")
    subparsers = root.add_subparsers(metavar="command", required=True)
    for name in COMMANDS:
        importlib.import_module(name).register(subparsers)
    return root


def _fail(name: str, message: str) -> int:
    print(f"{name}: error: {' '.join(message.splitlines())}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
