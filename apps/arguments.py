"""The parser of the ``hdc`` command: it suggests what was meant, and its errors name the subcommand."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """A parser whose arguments say which subcommand read them.

    The namespace has the parser of the innermost subcommand as ``parser``. A subcommand, choice or option that does not
    exist is answered with the nearest that does. On a terminal, help is colored.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.set_defaults(parser=self)

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Return the arguments; an unknown one is an error of the subcommand that got it."""
        known, unknown = self.parse_known_args(args, namespace)
        if unknown:
            parser: Parser = known.parser
            parser.refuse(unknown)
        return known

    def refuse(self, unknown: Sequence[str]) -> NoReturn:
        """End with an error that suggests options of nearly the same names."""
        options = [name.partition("=")[0] for name in unknown if name.startswith("-")]
        meant = did_you_mean(options, self._option_string_actions)
        self.error(f"unrecognized arguments: {' '.join(unknown)}{meant}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            named = ", ".join(map(str, action.choices))
            meant = did_you_mean([str(value)], map(str, action.choices))
            raise argparse.ArgumentError(action, f"invalid choice: {value!r}{meant} (choose from {named})")

    def format_help(self) -> str:
        """Return the help, colored on a terminal."""
        if sys.stdout.isatty() and self.formatter_class is argparse.HelpFormatter:
            from rich_argparse import RichHelpFormatter

            class Colored(RichHelpFormatter):
                text_markup = help_markup = False  # brackets in texts are brackets
                group_name_formatter = str

            self.formatter_class = Colored
        return super().format_help()


class Flattened(argparse.Action):
    """Joins the lists of several words into one: ``--dims 100,200 300`` is three numbers."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        """Store the joined list."""
        setattr(namespace, self.dest, [one for several in values for one in several])


def add_list(parser: argparse.ArgumentParser, name: str, kind: Callable[[str], Any], **options: Any) -> None:
    """Add an option that takes values separated by spaces or commas."""

    def read(text: str) -> list[Any]:
        return [kind(part) for part in text.split(",") if part]

    read.__name__ = f"list of {kind.__name__}"  # argparse names it where a value cannot be read
    parser.add_argument(name, nargs="+", type=read, action=Flattened, **options)


def did_you_mean(given: Iterable[str], known: Iterable[str]) -> str:
    """Return ``"; did you mean …?"`` with what is known by nearly the same names; empty where nothing is."""
    names = list(known)
    near = [match for name in given for match in get_close_matches(name, names, 1)]
    return f"; did you mean {' '.join(dict.fromkeys(near))}?" if near else ""
