"""The figures of the tutorials on learning are drawn from the data, and the committed ones are of the same size."""

import runpy

import numpy as np
import pytest

from tests.test_docs import ROOT
from tests.test_docs_figures import assert_committed

pytest.importorskip("sklearn", reason="learning is an extra")
pytestmark = pytest.mark.slow
FIGURES = runpy.run_path(str(ROOT / "docs" / "figures" / "learning_figures.py"))
PAGES = [
    (ROOT / "docs" / "tutorials" / name).read_text(encoding="utf-8") for name in ("learning.md", "learning_stream.md")
]


def test_opponents_differ_as_the_page_says(tmp_path):
    rings, wine = (FIGURES["tables"]()[name] for name in ("four rings", "wine"))
    ours, linear, kernel, _ = FIGURES["outcomes"](*rings)
    assert linear.mean < 0.4  # four classes: guessing is a quarter
    assert ours.mean > 0.97
    assert kernel.mean > 0.97
    ours, linear, *_ = FIGURES["outcomes"](*wine)
    assert ours.mean > 0.94
    assert linear.mean > 0.97
    assert_committed(FIGURES["opponents"](), "learning_opponents.png", tmp_path)


def test_a_stream_is_learned_from_documents_seen_once(tmp_path):
    figure = FIGURES["stream"]()
    lines = figure.axes[0].lines
    assert [line.get_label() for line in lines] == list(FIGURES["RULES"])
    for line in lines:
        accuracy = line.get_ydata()
        assert np.mean(accuracy[-5:]) > 0.95
        assert np.mean(accuracy[-5:]) > accuracy[0] + 0.05
    assert_committed(figure, "learning_stream.png", tmp_path)


def test_each_tutorial_shows_its_figure():
    for name, page in zip(FIGURES["FIGURES"], PAGES, strict=True):
        assert f"(../images/{name})" in page
