"""``hdc completion``: a script that lets the shell complete subcommands, options and files."""

import argparse
from collections.abc import Iterator
from typing import Any

FILES = frozenset({"INDEX", "FILE", "FOLDER", "RESULTS", "FIGURE", "REPORT", "MODEL", "VECTORS", "CODES"})
"""Names of arguments that are paths."""


def register(subparsers: Any) -> None:
    """Add ``completion`` to the parser of ``hdc``."""
    parser = subparsers.add_parser(
        "completion",
        help="print a script that completes commands in your shell",
        description="Print a completion script. For bash: hdc completion bash > ~/.local/share/bash-completion/"
        'completions/hdc; for zsh: hdc completion zsh > "${fpath[1]}/_hdc".',
    )
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"), help="shell to complete in")
    parser.set_defaults(run=run_completion)


def run_completion(arguments: argparse.Namespace) -> int:
    """Run ``hdc completion``."""
    import shtab

    root = arguments.root
    for action in _actions(root):
        if isinstance(action.metavar, str) and action.metavar in FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(root, arguments.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for inner in dict.fromkeys(action.choices.values()):
                yield from _actions(inner)
