"""What notebooks show: tables of the right numbers, in which nothing from data is HTML."""

import re
from html.parser import HTMLParser

import pytest

import hdc
from hdc import markup
from hdc.apps.capacity import run
from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.retrieval import BinaryIndex

PATIENTS = [
    {"name": "<script>alert(1)</script>", "age": 40, "likes": ["tea", "<b>"]},
    {"name": "Ada", "age": 36, "likes": ["tea"]},
]


class Checked(HTMLParser):
    """Reads the cells; an element that is not of a table or a bar is an error, and so is one left open."""

    ALLOWED = frozenset({"table", "caption", "thead", "tbody", "tr", "th", "td", "span"})

    def __init__(self):
        super().__init__()
        self.cells, self._open = [], []

    def handle_starttag(self, tag, attrs):
        assert tag in self.ALLOWED, tag
        self._open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self.cells:
            self.cells[-1] += data

    def close(self):
        super().close()
        assert self._open == []


def cells(html):
    parser = Checked()
    parser.feed(html)
    parser.close()
    return [cell.strip() for cell in parser.cells]


@pytest.fixture(scope="module")
def index():
    return JSONIndex(JSONEncoder(dim=512).fit(PATIENTS)).add(PATIENTS)


@pytest.mark.parametrize("name", hdc.list_models())
def test_every_model_shows_its_parameters(name):
    vsa = hdc.create(name, hdc.registry.model_class(name).next_dim(64))
    found = cells(vsa._repr_html_())
    assert found[0] == vsa.model
    assert found[found.index("dim") + 1] == str(vsa.dim)
    assert found[found.index("exact unbind") + 1] == ("yes" if vsa.exact_unbind else "no")


def test_indexes_show_what_they_are(index, tmp_path):
    found = cells(index._repr_html_())
    assert (found[0], found[found.index("documents") + 1]) == ("JSONIndex", "2")
    assert found[found.index("folder") + 1] == "in memory"
    with BinaryIndex(64, path=tmp_path / "codes") as codes:
        assert str(tmp_path / "codes") in cells(codes._repr_html_())
    assert cells(codes._repr_html_())[-1] == "closed"


def test_hits_and_explanations_show_bars(index):
    hits = index.search({"likes": ["tea"], "age": 36, "town": "x"}, k=2)
    html = hits._repr_html_()
    found = cells(html)
    assert found[:4] == ["score", "id", "key", "document"]
    assert f"{hits[0].score:.1%}" in found
    assert "2 hits" in html
    assert cells(hits[0]._repr_html_())[4] == f"{hits[0].score:.1%}"
    reasons = index.explain({"likes": ["tea"], "age": 36, "town": "x"}, hits[0])
    found = cells(reasons._repr_html_())
    assert found[:5] == ["share", "path", "query", "", "document"]
    assert [found[5], found[6]] == [f"{reasons[0].share:.1%}", reasons[0].path]
    assert {one.sign for one in reasons} <= {"=", "~", "≠", ""}
    assert "not there" in found


def test_like_is_shown_too(index):
    assert cells(index.like(0, k=1)._repr_html_())[4].endswith("%")


def test_documents_cannot_break_out(index):
    html = index.search({"name": "<script>alert(1)</script>"}, k=1)._repr_html_()
    assert "<script" not in html
    assert any("<script>" in cell for cell in cells(html))


@pytest.mark.parametrize(("share", "filled"), [(-1.0, 0), (0.0, 0), (0.5, 60), (1.0, 120), (2.0, 120)])
def test_bars_are_as_long_as_their_share(share, filled):
    assert re.findall(r"width:(\d+)px", markup.bar(share)) == ["120", str(filled)]


def test_long_cells_are_cut():
    assert cells(markup.table(("x",), [("a" * 1000,)]))[1] == "a" * markup.CUT + "…"


def test_measured_points_show_intervals_and_bounds():
    points = run("bundle", {"model": "MAP-B", "dim": [64, 256], "items": 5, "universe": 50}, trials=20, progress=False)
    found = cells(points._repr_html_())
    heading = found[: found.index("gaussian") + 1]
    assert heading[:5] == ["experiment", "model", "dim", "other parameters", "trials"]
    rows = [found[at : at + len(heading)] for at in range(len(heading), len(found), len(heading))]
    assert [row[1:3] for row in rows] == [["MAP-B", "64"], ["MAP-B", "256"]]
    assert [row[5] for row in rows] == [f"{point.accuracy:.4g}" for point in points]
