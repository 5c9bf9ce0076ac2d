"""The figures of docs/tutorials/learning.md are drawn from the data, and the committed ones are of the same size."""

import runpy

import numpy as np
import pytest

from tests.test_docs import ROOT
from tests.test_docs_figures import assert_committed

pytest.importorskip("sklearn", reason="learning is an extra")
pytestmark = pytest.mark.slow
FIGURES = runpy.run_path(str(ROOT / "docs" / "figures" / "learning_figures.py"))
PAGE = (ROOT / "docs" / "tutorials" / "learning.md").read_text(encoding="utf-8")


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


def test_the_page_shows_every_figure():
    assert all(f"(../images/{name})" in PAGE for name in FIGURES["FIGURES"])
