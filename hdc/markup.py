"""HTML of models, indexes and hits for notebooks: small tables and bars. Text from data is always escaped."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

CUT = 300
"""Most characters of a cell."""


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def cell(value: Any) -> str:
    """Return the HTML of a value: numbers with separators, anything else as escaped text that is cut when long."""
    if isinstance(value, Markup):
        return value
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    return escape(text if len(text) <= CUT else f"{text[:CUT]}…")


def bar(share: float, width: int = 120) -> Markup:
    """Return a bar of which ``share``, 0 … 1, is filled; beside it the share in percent."""
    filled = round(width * min(max(share, 0.0), 1.0))
    return Markup(
        f'<span style="display:inline-block;width:{width}px;background:rgba(128,128,128,.2)">'
        f'<span style="display:block;width:{filled}px;height:.7em;background:#3b7dd8"></span></span> {share:.1%}'
    )


def table(heading: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "") -> str:
    """Return a table as HTML.

    Parameters
    ----------
    heading : sequence of str
    rows : iterable of sequences of values
        See :func:`cell`.
    caption : str
        A line above the table.

    Examples
    --------
    >>> from hdc import markup
    >>> markup.table(("name", "n"), [("<a>", 1000)])
    '<table><thead><tr><th>name</th><th>n</th></tr></thead><tbody><tr><td>&lt;a&gt;</td><td>1,000</td></tr></tbody></table>'
    """
    above = f"<caption>{cell(caption)}</caption>" if caption else ""
    head = "".join(f"<th>{cell(name)}</th>" for name in heading)
    body = "".join(f"<tr>{''.join(f'<td>{cell(value)}</td>' for value in row)}</tr>" for row in rows)
    return f"<table>{above}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def facts(title: str, known: Mapping[str, Any]) -> str:
    """Return names and values as a table of two columns under a title."""
    rows = "".join(f"<tr><th>{cell(name)}</th><td>{cell(value)}</td></tr>" for name, value in known.items())
    return f'<table><thead><tr><th colspan="2">{cell(title)}</th></tr></thead><tbody>{rows}</tbody></table>'
