"""Show hits as cards in a terminal: score, bars of the explanation, and the document with its matched values marked."""

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console, Group
from rich.text import Text

from hdc.apps.json.cli.display import compact, shorten, told
from hdc.apps.json.index.compiled_query import ABSENT
from hdc.apps.json.index.hits import Hit
from hdc.apps.json.index.matcher import Reason

BAR = 16
"""Characters of a full bar."""

LINES = 16
"""Most lines of a document."""

EIGHTHS = " ▏▎▍▌▋▊▉"

COLORS = {"=": "green", "~": "yellow", "≠": "red", "": "bright_black"}


def show(hits: Sequence[Hit], reasons: Sequence[Sequence[Reason]] | None, width: int) -> None:
    """Print hits as cards to standard output; without colors if it is not a terminal or ``NO_COLOR`` is set."""
    console = Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)
    for position, hit in enumerate(hits):
        console.print(card(hit, None if reasons is None else reasons[position], width))


def card(hit: Hit, reasons: Sequence[Reason] | None, width: int) -> Group:
    """Return a card: a line with score and id, the explanation's bars, the document."""
    title = Text(f"{hit.score:.3f}", "bold blue")
    name = str(hit.id) if hit.key is None else f"{hit.id}  {shorten(hit.key, 60)}"
    title.append(f"  {name}", "bold")
    if hit.source:
        title.append(f"  {shorten(hit.source, 60)}", "bright_black")
    lines = [title, *_bars(reasons or (), width)]
    return Group(*lines, _document(hit.document, reasons or (), width), Text())


def bar(share: float) -> str:
    """Return a bar of eighths of characters, :data:`BAR` wide."""
    eighths = round(8 * BAR * min(max(share, 0.0), 1.0))
    whole, rest = divmod(eighths, 8)
    return f"{'█' * whole}{EIGHTHS[rest] if rest else ''}".ljust(BAR)


def _bars(reasons: Sequence[Reason], width: int) -> Iterator[Text]:
    shown, rest = told(reasons)
    names = max((len(reason.path) for reason in shown), default=0)
    for reason in shown:
        line = Text("  ")
        line.append(bar(reason.share), "blue").append(f" {reason.share:6.1%}  ")
        line.append(f"{shorten(reason.path, 40):<{min(names, 40)}}  ", "cyan")
        met = "not there" if reason.match is ABSENT else f"{reason.sign} {shorten(compact(reason.match), 44)}"
        line.append(f"{shorten(compact(reason.query), 44)} ").append(met, COLORS[reason.sign])
        line.truncate(width, overflow="ellipsis")
        yield line
    if rest:
        share = sum(reason.share for reason in rest)
        yield Text(f"  {bar(share)} {share:6.1%}  {len(rest)} more", "bright_black")


def _document(document: Any, reasons: Sequence[Reason], width: int) -> Text:
    lines = json.dumps(document, ensure_ascii=False, indent=2).split("\n")
    more = len(lines) - LINES
    text = Text("\n".join(shorten(f"  {line}", width) for line in lines[:LINES]), "bright_black")
    for reason in reasons:
        if reason.sign in ("=", "~") and not isinstance(reason.match, bool | None):
            text.highlight_words([shorten(compact(reason.match), width)], f"not dim {COLORS[reason.sign]}")
    if more > 0:
        text.append(f"\n  … {more} lines more")
    return text
