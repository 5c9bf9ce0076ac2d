"""Show hits and reasons as text for people and as JSON for programs."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from hdc.apps.json.index.compiled_query import ABSENT
from hdc.apps.json.index.hits import Hit
from hdc.apps.json.index.matcher import Reason

VALUE_WIDTH = 44
"""Most characters of a value in a reason."""

MAX_REASONS = 8
"""Most reasons per hit; one line sums up the rest."""


def hit_lines(hits: Sequence[Hit], reasons: Sequence[Sequence[Reason]] | None, width: int) -> list[str]:
    """Return the lines of a table of hits, each followed by its reasons if there are any."""
    if not hits:
        return ["nothing found: no document has any of these values in fields of these names"]
    number_width = max(2, *(len(str(hit.id)) for hit in hits))
    lines = [f"score  {'id':>{number_width}}  document"]
    for position, hit in enumerate(hits):
        start = f"{hit.score:5.3f}  {hit.id:>{number_width}}  "
        lines.append(start + shorten(compact(hit.document), max(20, width - len(start))))
        if reasons is not None:
            lines += ["", *reason_lines(reasons[position]), ""]
    return lines


def reason_lines(reasons: Sequence[Reason], most: int = MAX_REASONS) -> list[str]:
    """Return an aligned table of the first reasons of one hit: share, path, and the two values.

    ``=`` marks equal values, ``~`` similar ones, ``≠`` those that share nothing.
    """
    shown, rest = told(reasons, most)
    path_width = max((len(reason.path) for reason in shown), default=0)
    lines = [f"  {reason.share:6.1%}  {reason.path:<{path_width}}  {_values(reason)}" for reason in shown]
    if rest:
        fields = "1 field" if len(rest) == 1 else f"{len(rest)} fields"
        lines.append(f"  {sum(reason.share for reason in rest):6.1%}  {fields} more")
    return lines


def told(reasons: Sequence[Reason], most: int = MAX_REASONS) -> tuple[Sequence[Reason], Sequence[Reason]]:
    """Return the reasons that are shown, and those that are summed up."""
    shown = [reason for reason in reasons[:most] if round(1000 * reason.share) or len(reasons) <= 3]
    return shown, reasons[len(shown) :]


def hits_json(hits: Iterable[Hit], reasons: Sequence[Sequence[Reason]] | None) -> str:
    """Return hits as a JSON array of objects; a reason without ``match`` met no value."""
    entries = [hit.to_dict(None if reasons is None else reasons[position]) for position, hit in enumerate(hits)]
    return json.dumps(entries, indent=2)


def compact(value: Any) -> str:
    """Return a value as JSON on one line, readable in any language."""
    return json.dumps(value, ensure_ascii=False)


def shorten(text: str, width: int) -> str:
    """Return a text cut to ``width`` characters, with an ellipsis, and with control characters escaped."""
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[: width + 1])
    return text if len(text) <= width else text[: width - 1] + "…"


def _values(reason: Reason) -> str:
    query = shorten(compact(reason.query), VALUE_WIDTH)
    if reason.match is ABSENT:
        return f"{query}  (not there)"
    return f"{query} {reason.sign} {shorten(compact(reason.match), VALUE_WIDTH)}"
