"""The figure of docs/guides/values.md: markers lie on the lines, and the committed one is of the same size."""

import re
import runpy

import numpy as np
import pytest

from tests.test_docs import ROOT
from tests.test_docs_figures import assert_committed

pytestmark = pytest.mark.slow
FIGURES = runpy.run_path(str(ROOT / "docs" / "figures" / "values_figures.py"))


def test_measured_similarities_lie_on_the_kernels(tmp_path):
    """Six standard deviations: of 10,000 bits .06, of 10,000 phases .042."""
    figure = FIGURES["kernels"]()
    for axes, count, most in zip(figure.axes, (6, 4), (0.042, 0.06), strict=True):
        lines = [line for line in axes.lines if len(line.get_xdata()) > 2]
        assert len(lines) == 2 * count
        for expected, measured in zip(lines[::2], lines[1::2], strict=True):
            there = np.interp(measured.get_xdata(), expected.get_xdata(), expected.get_ydata())
            assert np.abs(there - measured.get_ydata()).max() < most
    assert_committed(figure, "values_kernels.png", tmp_path)


def test_the_page_shows_it():
    page = (ROOT / "docs" / "guides" / "values.md").read_text(encoding="utf-8")
    assert re.findall(r"\]\(../images/(\w+\.png)\)", page) == ["values_kernels.png"]
