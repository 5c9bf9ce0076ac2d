"""What the figures of all applications share. Needs matplotlib, the extra ``plot``."""

import os
from typing import TYPE_CHECKING, Any

from hdc import checks
from hdc.errors import BackendUnavailableError, ParameterError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = "os^Dv<>PX*"
"""Told apart in black and white."""


def figure_class() -> Any:
    """Return matplotlib's ``Figure``, which draws without a display.

    Raises
    ------
    BackendUnavailableError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise BackendUnavailableError("figures need matplotlib; pip install 'hdc-toolkit[plot]'") from error
    return Figure


def save_figure(drawn: "Figure", path: str | os.PathLike[str]) -> None:
    """Write a figure to a file; the ending says the format (``.png``, ``.svg``, ``.pdf``).

    Raises
    ------
    ParameterError
        If there is no such format.
    """
    try:
        drawn.savefig(checks.path(path), dpi=150)
    except ValueError as error:
        raise ParameterError(f"{os.fspath(path)}: {error}") from error
