"""The figures of the tutorial are drawn from the data, and the committed ones are of the same size."""

import re
import runpy

import numpy as np
import pytest
from matplotlib.image import imread
from matplotlib.transforms import Bbox

from tests.test_docs import ROOT

pytestmark = pytest.mark.slow
FIGURES = runpy.run_path(str(ROOT / "docs" / "figures" / "json_figures.py"))
TUTORIAL = ROOT / "docs" / "tutorials" / "json_tutorial.md"


@pytest.fixture(scope="module")
def quakes():
    return FIGURES["load"]("earthquakes")


def assert_committed(figure, name, tmp_path):
    """Check that the figure and the committed one, which may differ in bytes, are as large and have ink everywhere."""
    figure.savefig(tmp_path / name, dpi=110)
    drawn, committed = imread(tmp_path / name), imread(ROOT / "docs" / "images" / name)
    assert drawn.shape == committed.shape
    for image in (drawn, committed):
        gray = image[..., :3].mean(axis=2)
        assert all((part < 0.9).any() for half in np.array_split(gray, 2) for part in np.array_split(half, 2, axis=1))
    assert (ROOT / "docs" / "images" / name).stat().st_size < 100_000


def test_shares_of_the_explanation_sum_to_the_score_in_its_title(quakes, tmp_path):
    figure = FIGURES["explanation"](quakes)
    (axes,) = figure.axes
    shares = [bar.get_width() for bar in axes.patches]
    assert len(shares) == 4
    assert f"{sum(shares):.2f}" == axes.get_title().rpartition(" ")[2] == "0.87"
    assert_committed(figure, "json_explanation.png", tmp_path)


def test_neighbors_lie_near_the_strongest_event(quakes, tmp_path):
    figure = FIGURES["neighbors"](quakes)
    events, near, strongest = figure.axes[0].collections
    assert len(events.get_offsets()) == len(quakes)
    assert len(near.get_offsets()) == 10
    assert np.abs(near.get_offsets() - strongest.get_offsets()).max() < 0.3
    (zoom,) = figure.axes[0].child_axes
    view = Bbox.from_extents(zoom.get_xlim()[0], zoom.get_ylim()[0], zoom.get_xlim()[1], zoom.get_ylim()[1])
    assert all(view.contains(*place) for place in near.get_offsets())
    assert_committed(figure, "json_neighbors.png", tmp_path)


def test_longer_vectors_are_read_better_and_about_as_well_as_predicted(quakes, tmp_path):
    figure = FIGURES["decoding"](quakes)
    lines = figure.axes[0].lines
    assert len(lines) == 6
    for predicted, measured in zip(lines[::2], lines[1::2], strict=True):
        assert np.abs(predicted.get_ydata() - measured.get_ydata()).max() < 0.12
        assert measured.get_ydata()[-1] > 0.98
        assert measured.get_ydata()[-1] > measured.get_ydata()[0] + 0.1
    assert_committed(figure, "json_decoding.png", tmp_path)


def test_the_map_shows_services_apart(tmp_path):
    operations = FIGURES["load"]("operations")
    figure = FIGURES["operations_map"](operations)
    groups = {group.get_label(): group.get_offsets() for group in figure.axes[0].collections}
    assert {name: len(points) for name, points in groups.items()} == {
        name: sum(operation["service"] == name for operation in operations) for name in FIGURES["GROUPS"]
    }
    one, other = groups["Amazon S3"], groups["IAM"]
    assert one[:, 0].mean() > other[:, 0].mean() + 2 * max(one[:, 0].std(), other[:, 0].std())
    assert_committed(figure, "json_operations_map.png", tmp_path)


def test_the_tutorial_shows_every_figure():
    shown = set(re.findall(r"\]\(../images/(\w+\.png)\)", TUTORIAL.read_text(encoding="utf-8")))
    assert shown == {path.name for path in (ROOT / "docs" / "images").glob("json_*.png")}
    assert len(shown) == 4
