"""The figures of the gallery are drawn from its examples, and the committed ones are of the same size."""

import runpy

import numpy as np
import pytest

from tests.test_docs import ROOT
from tests.test_docs_figures import assert_committed

pytestmark = pytest.mark.slow
GALLERY = runpy.run_path(str(ROOT / "docs" / "figures" / "gallery_figures.py"))


@pytest.fixture(scope="module")
def seen():
    return GALLERY["examples"]()


@pytest.mark.parametrize("name", GALLERY["FIGURES"])
def test_figures_are_committed(seen, name, tmp_path):
    assert_committed(GALLERY["FIGURES"][name](seen), name, tmp_path)
    assert f"(images/{name})" in (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")


def test_each_sentence_is_most_like_its_language(seen):
    (image,) = GALLERY["languages"](seen).axes[0].images
    assert np.array_equal(np.argmax(image.get_array(), axis=1), np.arange(6))


def test_the_desk_is_where_it_was_put(seen):
    figure = GALLERY["places"](seen)
    (mesh,) = figure.axes[0].collections
    row, column = np.unravel_index(np.argmax(mesh.get_array()), mesh.get_array().shape)
    assert (column / 6, row / 10) == pytest.approx((7, 4), abs=0.2)
