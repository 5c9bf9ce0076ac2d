"""A report in one HTML file: the question, the parameters, the figures, the tables, the versions."""

import base64
import html
import io
import os
import platform
from collections import defaultdict
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version

import hdc
from hdc import checks
from hdc.apps.capacity.display import Table, points_table
from hdc.apps.capacity.plots import figure
from hdc.apps.capacity.results import Point
from hdc.checks import text
from hdc.errors import ParameterError
from hdc.markup import Markup, table

QUESTION = "How many dimensions does each model need, and does the theory say so rightly?"

STYLE = """body{font:15px/1.5 sans-serif;max-width:72em;margin:2em auto;padding:0 1em;color:#111}
table{border-collapse:collapse;font-size:12px;display:block;overflow-x:auto}
td,th{border-bottom:1px solid #ccc;padding:2px 8px;text-align:left;white-space:nowrap}
img{max-width:100%}"""


def write(points: Sequence[Point], path: str | os.PathLike[str], question: str = QUESTION) -> None:
    """Write the report.

    Parameters
    ----------
    points : sequence of Point
    path : path
    question : str
        The heading.

    Raises
    ------
    ParameterError
        If there are no points.
    BackendUnavailableError
        If matplotlib is not installed.
    """
    file_path = checks.path(path)
    page = document(points, text(question, "question"))
    with open(file_path, "w", encoding="utf-8") as file:
        file.write(page)


def document(points: Sequence[Point], question: str = QUESTION) -> str:
    """Return the report as HTML that loads nothing from elsewhere."""
    if not points:
        raise ParameterError("there are no points to report")
    groups: dict[str, list[Point]] = defaultdict(list)
    for point in points:
        groups[point.experiment].append(point)
    parts = [f"<h1>{html.escape(question)}</h1>", "<h2>Parameters</h2>", table(*_parameters(groups))]
    for experiment, members in groups.items():
        parts += [f"<h2>{html.escape(experiment)}</h2>", _image(members), table(*points_table(members))]
    parts += ["<h2>Versions</h2>", table(*_versions(points))]
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(question)}</title>'
        f"<style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _image(points: Sequence[Point]) -> str:
    buffer = io.BytesIO()
    figure(points).savefig(buffer, format="png", dpi=130)
    return f'<img alt="measured points and theory" src="data:image/png;base64,{_base64(buffer.getvalue())}">'


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _parameters(groups: dict[str, list[Point]]) -> Table:
    rows = []
    for experiment, points in groups.items():
        for name in sorted({name for point in points for name in point.settings}):
            values = {str(point.settings.get(name)): None for point in points}  # in the order of the points
            rows.append((experiment, name, _whole(values)))
        rows.append((experiment, "trials", _whole(sorted({str(point.trials) for point in points}))))
        rows.append((experiment, "seed", _whole(sorted({str(point.seed) for point in points}))))
    return ("experiment", "parameter", "values"), rows


def _whole(values: Iterable[str]) -> Markup:
    """Return values as a cell that is not cut, however many there are."""
    return Markup(html.escape(", ".join(values)))


def _versions(points: Sequence[Point]) -> Table:
    rows = [("hdc (measured)", ", ".join(sorted({point.version for point in points}))), ("hdc", hdc.__version__)]
    for package in ("numpy", "scipy", "numba", "matplotlib"):
        try:
            rows.append((package, version(package)))
        except PackageNotFoundError:
            continue
    return ("what", "version"), [*rows, ("Python", platform.python_version()), ("platform", platform.platform())]
