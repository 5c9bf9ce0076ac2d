"""The explorer's map, page on capacity, and views of vectors and codes, in a real browser."""

import io
import re
import statistics
import time

import numpy as np
import pytest

from hdc import bounds, words
from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, SignBinarizer
from tests import browser, naive

browser.skip_without_browser()

from hdc.apps.serve import Served, create_app  # noqa: E402  # behind the skip where there are no libraries

RNG = np.random.default_rng(8)
KINDS = ("bird", "fish", "tree")
SHADES = {"bird": (0, 0x72, 0xB2), "fish": (0xE6, 0x9F, 0), "tree": (0, 0x9E, 0x73)}
GROUPS = RNG.integers(5, size=600)
VECTORS = (2 * RNG.standard_normal((5, 32))[GROUPS] + RNG.standard_normal((600, 32))).astype(np.float32)
STALL = "GPU stall due to ReadPixels"
"""What Chromium says when a picture of a canvas is taken in software."""


def document(number):
    kind = KINDS[number % 3]
    words_of = {"bird": ["wing", "beak"], "fish": ["fin", "scale"], "tree": ["leaf", "root"]}[kind]
    about = {"has": words_of, "note": f"<b>{kind}</b> {number}"}
    return {"id": f"{kind} {number}", "kind": kind, "size": number % 50, "about": about}


DOCUMENTS = [document(number) for number in range(300)]


@pytest.fixture(scope="module")
def indexes():
    documents = JSONIndex(JSONEncoder(512, seed=1, backend="numpy").fit(DOCUMENTS), key="id").add(DOCUMENTS)
    lists = EmbeddingIndex.create(None, SignBinarizer(128, backend="numpy").fit(VECTORS), kind="ivf", keep="float32")
    lists.train(VECTORS, 16)
    lists.add(VECTORS, keys=[f"group {group}/{i}" for i, group in enumerate(GROUPS)])
    codes = BinaryIndex(40, backend="numpy")
    codes.add(words.pack(VECTORS[:, :20].repeat(2, axis=1) > 0))
    return {"things": documents, "vectors": lists, "codes": codes, "empty": JSONIndex(JSONEncoder(64, backend="numpy"))}


@pytest.fixture(scope="module")
def address(indexes):
    with browser.serving(create_app(Served(indexes))) as found:
        yield found


@pytest.fixture(scope="module")
def chromium():
    with browser.browsing() as found:
        yield found


@pytest.fixture
def tab(chromium, address):
    with browser.tab(chromium, address, 1280, 800) as opened:
        opened.expected.add(STALL)
        yield opened


def until(tab, expression):
    """Wait until an expression holds on the page, whose policy forbids what Playwright itself waits with."""
    end = time.monotonic() + browser.MILLISECONDS / 1000
    while not tab.page.evaluate(expression):
        assert time.monotonic() < end, f"it did not come to pass: {expression}"
        tab.page.wait_for_timeout(20)


def shown(tab, route, count):
    """Open a map, and wait until all of its points are there."""
    tab.open(route)
    until(tab, f"window.hdcMap?.count === {count} && hdcMap.frames.drawn > 0")


def place(tab, point):
    """Return where a point is on the page."""
    return tab.page.evaluate(
        "point => { const box = hdcMap.canvas.getBoundingClientRect();"
        " const [x, y] = hdcMap.placeOf(point); return [x + box.left, y + box.top]; }",
        point,
    )


PAINTERS = {"0": "Raster", "1": "WebGL"}
"""What draws points, by what the address says of WebGL."""

SCRIPT = """
const drawn = async (map) => { while (map.stale || map.done < map.count) await new Promise(requestAnimationFrame); };
const pixels = (map) => {
  const { width, height } = map.canvas, gl = map.painter.gl, found = new Uint8Array(4 * width * height);
  if (!gl) return new Uint8Array(map.painter.pen.getImageData(0, 0, width, height).data);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, found);
  return found;
};
const over = (map, point) => {
  const [x, y] = map.placeOf(point).map((at) => Math.round(at * map.ratio));
  return [...document.querySelector("canvas.over").getContext("2d").getImageData(x, y, 1, 1).data];
};
const map = window.hdcMap;
"""
"""Of tests: to wait until all points are drawn, and to read the pixels of points and of what lies over one."""


def scripted(tab, script, given=None):
    """Return what a script returns, which has the functions of SCRIPT and ``given``."""
    tab.expected.add("willReadFrequently")  # of this test's own reading
    return tab.page.evaluate(f"async (given) => {{ {SCRIPT} {script} }}", given)


def alone(tab, point):
    """Return the pixel of a point, drawn without the others."""
    return scripted(
        tab,
        "const states = map.states; map.setStates(Uint8Array.from(states, (_, i) => i === given ? 0 : 3));"
        " await drawn(map); const { width, height } = map.canvas; const all = pixels(map);"
        " const [x, y] = map.placeOf(given).map((at) => Math.floor(at * map.ratio));"
        " map.setStates(states); const at = 4 * (width * (map.painter.gl ? height - 1 - y : y) + x);"
        " return [...all.slice(at, at + 4)];",
        point,
    )


def states(tab):
    return tab.page.evaluate("[...hdcMap.states]")


# ---------------------------------------------------------------------- map


def test_a_map_is_made_and_drawn(tab):
    shown(tab, "#/things/map", 300)
    tab.page.get_by_text("300 points").wait_for()
    until(tab, "hdcMap.shades.some((shade) => shade > 0)")
    assert tab.page.evaluate("hdcMap.painter.constructor.name") == "Raster"  # there is no graphics card
    ids = tab.page.request.get(tab.address + "api/things/map/points").body()
    ids = np.frombuffer(ids, "<f8", 300, 2400).astype(int).tolist()
    for kind in KINDS:
        point = next(point for point in range(300) if document(ids[point])["kind"] == kind)
        lit = "map.setStates(Uint8Array.from(map.states, (_, i) => i === given ? 2 : 0)); await drawn(map);"
        assert scripted(tab, lit + "return over(map, given);", point) == [*SHADES[kind], 255]
    scripted(tab, "map.setStates(map.states.fill(0));")
    tab.picture("map")


def test_a_point_that_is_pointed_at_says_what_it_is(tab):
    shown(tab, "#/things/map", 300)
    x, y = place(tab, 5)
    tab.page.mouse.move(x - 2, y)
    tab.page.mouse.move(x, y)
    card = tab.page.locator(".hover-card")
    card.wait_for()
    nearest = tab.page.evaluate(
        "([x, y]) => { const box = hdcMap.canvas.getBoundingClientRect();"
        " return hdcMap.nearest(x - box.left, y - box.top); }",
        [x, y],
    )
    assert card.locator("strong").text_content() == document(nearest)["id"]
    assert document(nearest)["about"]["note"] in card.text_content()
    tab.picture("map_hover")


def test_points_in_a_line_around_them_filter_the_search(tab, indexes):
    shown(tab, "#/things/map?color=kind", 300)
    box = tab.page.locator(".stage canvas").first.bounding_box()
    x, y, size = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, 210
    tab.page.keyboard.down("Shift")
    tab.page.mouse.move(x, y - size)
    tab.page.mouse.down()
    for step in range(1, 40):
        tab.page.mouse.move(x + size * np.sin(step / 6.3), y - size * np.cos(step / 6.3))
    tab.page.mouse.up()
    tab.page.keyboard.up("Shift")
    heading = tab.page.locator("#map-selected")
    heading.wait_for()
    corners = [
        [float(number) for number in corner.split()]
        for corner in re.search("region=([^&]*)", tab.route())[1].replace("+", " ").split(",")
    ]
    points = np.frombuffer(tab.page.request.get(tab.address + "api/things/map/points").body(), "<f4", 600).reshape(
        300, 2
    )
    inside = [number for number in range(300) if naive.inside(points[number].tolist(), corners)]
    assert 20 < len(inside) < 300
    assert heading.text_content() == f"{len(inside)} selected"
    until(tab, f"hdcMap.states.filter((state) => state === 1).length === {300 - len(inside)}")
    assert [point for point, state in enumerate(states(tab)) if state == 0] == inside
    tab.picture("map_region")
    tab.page.get_by_role("button", name="Search in these").click()
    until(tab, "location.hash.includes('/search?')")
    assert re.search("among=([^&]*)", tab.route())[1] == ",".join(map(str, inside))
    tab.page.go_back()
    heading.wait_for()
    tab.page.get_by_role("button", name="Clear", exact=True).click()
    heading.wait_for(state="detached")


def test_colors_by_a_field_and_a_category_alone(tab):
    shown(tab, "#/things/map?color=kind", 300)
    bird = tab.page.get_by_role("button", name="bird", exact=False).first
    bird.wait_for()
    bird.click()
    until(tab, "hdcMap.states.some((state) => state === 1)")
    assert [state == 0 for state in states(tab)] == [number % 3 == 0 for number in range(300)]
    assert bird.get_attribute("aria-pressed") == "true"
    tab.page.get_by_role("combobox").select_option("size")
    tab.page.locator(".scale").wait_for()
    assert "only" not in tab.route()
    until(tab, "new Set(hdcMap.shades).size > 20")
    tab.page.get_by_role("combobox").select_option("kind")
    tab.page.get_by_role("button", name="Search where kind is fish").click()
    until(tab, "location.hash.includes('/search?')")
    assert 'where=kind+=+"fish"' in tab.route()


def test_a_click_shows_the_neighbors(tab, indexes):
    shown(tab, "#/things/map?color=kind&pick=12", 300)
    tab.page.locator("#map-picked").wait_for()
    near = tab.page.locator(".near button")
    near.first.wait_for()
    assert near.all_text_contents() == [hit.key for hit in indexes["things"].like(12, 8)]
    until(tab, "hdcMap.lit.length === 9")
    tab.picture("map_neighbors")
    near.first.click()
    until(tab, "!location.hash.includes('pick=12&') && !location.hash.endsWith('pick=12')")
    x, y = place(tab, 200)
    tab.page.mouse.click(x, y)
    until(tab, "location.hash.includes('pick=')")
    tab.page.get_by_role("button", name="More like this").click()
    until(tab, "location.hash.includes('like=')")


def test_hits_of_the_query_light_up(tab, indexes):
    shown(tab, "#/things/map?q=wing", 300)
    hits = {hit.id for hit in indexes["things"].search({"*": "wing"}, 200)}
    until(tab, f"hdcMap.lit.length === {len(hits)}")
    assert {point for point, state in enumerate(states(tab)) if state == 2} == hits
    tab.page.get_by_text(f"{len(hits)} hits of the query").wait_for()


def test_all_of_it_by_keyboard(tab):
    shown(tab, "#/things/map", 300)
    canvas = tab.page.locator(".stage canvas").first
    canvas.focus()
    before = tab.page.evaluate("[...hdcMap.center, hdcMap.zoom]")
    for key in ("+", "+", "+", "ArrowLeft", "ArrowUp"):
        tab.page.keyboard.press(key)
    after = tab.page.evaluate("[...hdcMap.center, hdcMap.zoom]")
    assert after[2] == pytest.approx(1.4**3)
    assert after[0] < before[0]
    assert after[1] > before[1]
    tab.page.keyboard.press("v")
    tab.page.locator("#map-selected").wait_for()
    until(tab, "location.hash.includes('look=')")
    look = re.search("look=([^&]*)", tab.route())[1]
    tab.page.reload()
    until(tab, "window.hdcMap?.count === 300")
    assert tab.page.evaluate("hdcMap.zoom") == pytest.approx(1.4**3, rel=1e-3), look
    canvas.focus()
    tab.page.keyboard.press("Escape")
    tab.page.locator("#map-selected").wait_for(state="detached")
    tab.page.keyboard.press("0")
    until(tab, "hdcMap.zoom === 1")
    tab.page.keyboard.press("Enter")
    tab.page.locator("#map-picked").wait_for()


@pytest.mark.parametrize("webgl", PAINTERS)
def test_every_painter_draws_points_in_their_colors(tab, webgl):
    shown(tab, f"#/things/map?webgl={webgl}&color=kind", 300)
    assert tab.page.evaluate("hdcMap.painter.constructor.name") == PAINTERS[webgl]
    until(tab, "hdcMap.shades.some((shade) => shade > 0)")
    part = 215 / 255
    ground = tab.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    ground = [int(number) for number in re.findall(r"\d+", ground)]
    for point, kind in enumerate(KINDS):
        red, green, blue, alpha = alone(tab, point)
        if PAINTERS[webgl] == "WebGL":
            assert alpha == 215
            found, expected = (red, green, blue), [part * own for own in SHADES[kind]]
        else:
            found, expected = (
                (red, green, blue),
                [part * own + (1 - part) * below for own, below in zip(SHADES[kind], ground, strict=True)],
            )
        assert found == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("webgl", PAINTERS)
def test_fewer_points_are_drawn_while_the_map_moves_and_all_when_it_rests(tab, webgl):
    shown(tab, f"#/things/map?webgl={webgl}", 300)
    until(tab, "hdcMap.shades.some((shade) => shade > 0)")  # after which nothing else sets colors
    found = scripted(
        tab,
        "map.painter.pace = () => 1; map.budget = 5000; const random = (i) => Math.sin(i * 12.9898) * 43758.5453 % 1;"
        " map.setPoints(Float32Array.from({ length: 40000 }, (_, i) => random(i) + random(i + 7)));"
        " map.setShades(new Uint8Array(20000), () => [9, 90, 200, 255]);"
        " const states = new Uint8Array(20000); states[19999] = 2; map.setStates(states); await drawn(map);"
        " const whole = pixels(map), before = [...map.center];"
        " const same = (all) => all.every((x, i) => x === whole[i]);"
        " map.painter.paint(map, 0, 20000); const atOnce = same(pixels(map)); const moving = [];"
        " for (let frame = 1; frame < 5; frame++) { map.look([before[0] + frame / 50, before[1]], map.zoom * 1.1);"
        "   await new Promise(requestAnimationFrame); moving.push(map.done); }"
        " map.look(before, 1); map.draw(); const fewer = pixels(map), lit = over(map, 19999), done = map.done;"
        " await drawn(map); const count = (all) => all.filter((x, i) => i % 4 === 0 && x !== all[0]).length;"
        " const blocks = new Array(8).fill(0), each = new Set(map.order).size;"
        " map.order.slice(0, 5000).forEach((point) => blocks[point / 2500 | 0]++);"
        " const rests = same(pixels(map)), counted = { fewer: count(fewer), whole: count(whole) };"
        " return { atOnce, moving, done, lit, rests, blocks, each, ...counted };",
    )
    assert found["atOnce"]
    assert found["moving"] == [5000] * 4
    assert found["done"] == 5000
    assert found["lit"] == [9, 90, 200, 255]
    assert 0 < found["fewer"] < 0.6 * found["whole"]
    assert found["rests"]
    assert found["each"] == 20_000
    assert all(550 < number < 700 for number in found["blocks"])


def test_a_map_that_is_dragged_is_whole_again(tab):
    shown(tab, "#/things/map", 300)
    until(tab, "hdcMap.shades.some((shade) => shade > 0)")
    scripted(
        tab,
        "map.setPoints(Float32Array.from({ length: 40000 }, (_, i) => (i * 0.618) % 1)); map.painter.pace = () => 1;"
        " map.budget = 5000; await drawn(map); window.seen = []; const own = map.changed;"
        " map.changed = () => { own(); seen.push(map.done); };",
    )
    x, y = place(tab, 5)
    tab.page.mouse.move(x, y)
    tab.page.mouse.down()
    for step in range(1, 6):
        tab.page.mouse.move(x + 9 * step, y)
        until(tab, "seen.includes(5000)")
    tab.page.mouse.up()
    until(tab, "hdcMap.done === 20000")
    assert set(tab.page.evaluate("seen")) <= {5000, 10000, 15000, 20000}
    assert place(tab, 5) == pytest.approx([x + 45, y], abs=0.01)


def test_maps_of_vectors_and_codes_and_of_nothing(tab):
    shown(tab, "#/vectors/map", 600)
    tab.page.get_by_text("group 0", exact=True).wait_for()
    shown(tab, "#/codes/map", 600)
    tab.open("#/empty/map")
    tab.page.get_by_text("Nothing to map").wait_for()


def test_umap_where_it_is_installed(tab):
    methods = tab.page.request.get(tab.address + "api/things/map").json()["methods"]
    shown(tab, "#/things/map", 300)
    assert tab.page.get_by_role("button", name="UMAP").is_enabled() == ("umap" in methods)


@pytest.mark.parametrize(
    ("width", "height", "scheme", "name"), [(390, 844, "light", "phone"), (1280, 800, "dark", "dark")]
)
def test_pictures_of_maps(chromium, address, width, height, scheme, name):
    with browser.tab(chromium, address, width, height, color_scheme=scheme, reduced_motion="reduce") as tab:
        tab.expected.add(STALL)
        shown(tab, "#/things/map?color=kind", 300)
        tab.page.get_by_role("button", name="bird", exact=False).first.wait_for()
        assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        tab.picture(f"map_{name}")
        tab.open("#/things/capacity?items=20&universe=500")
        tab.page.locator(".plot svg").nth(1).wait_for()
        assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        tab.picture(f"capacity_{name}")


@pytest.mark.slow
@pytest.mark.parametrize("webgl", PAINTERS)
def test_frames_of_a_hundred_thousand_points(tab, webgl, capsys):
    """Report how long frames take while a map is moved; how long they may take depends on the machine."""
    shown(tab, f"#/things/map?webgl={webgl}", 300)
    found = scripted(
        tab,
        "const random = (i) => Math.sin(i * 12.9898) * 43758.5453 % 1;"
        " map.setPoints(Float32Array.from({ length: 200000 }, (_, i) => random(i) + random(i + 7)));"
        " map.setShades(Uint8Array.from({ length: 100000 }, (_, i) => i % 8), (byte) => [byte * 30, 90, 200, 150]);"
        " await drawn(map); const times = [], parts = []; let before = 0;"
        " for (let frame = 0; frame < 60; frame++) { map.zoomAt(300, 300, 1.01);"
        "   const now = await new Promise(requestAnimationFrame); if (frame > 5) times.push(now - before);"
        "   parts.push(map.done); before = now; }"
        " const began = performance.now(); for (let i = 0; i < 1000; i++) map.nearest(i % 900, i % 700);"
        " const pick = (performance.now() - began) / 1000; await drawn(map);"
        " return { times, parts, script: map.frames.milliseconds / map.frames.drawn, pick };",
    )
    assert len(found["times"]) == 54
    with capsys.disabled():
        print(
            f"\n100,000 points, {PAINTERS[webgl]}: {statistics.median(found['times']):.1f} ms between frames, "
            f"{statistics.median(found['parts']):,.0f} points drawn, {found['script']:.2f} ms of script per frame, "
            f"{1000 * found['pick']:.0f} us to find the nearest point"
        )


# ---------------------------------------------------------------------- capacity


def figure(tab, kind):
    return tab.page.locator(f".figure b[data-kind={kind}]").text_content()


def test_capacity_shows_the_numbers_of_the_bounds(tab):
    tab.open("#/things/capacity")
    tab.page.locator(".plot svg").nth(1).wait_for()
    setting = {"items": 200, "universe": 1_000_000, "error": 1e-3}
    for kind in bounds.KINDS:
        assert figure(tab, kind) == f"{bounds.dimension('membership', 'MAP-B', bound=kind, **setting):,}"
    statement = bounds.find("membership", "MAP-B", "rigorous").statement.replace("``", "")
    assert tab.page.locator(".theorem p").first.text_content() == statement
    rows = tab.page.locator(".storage tbody tr")
    assert rows.first.text_content().startswith("Bloom8,6428,642")
    assert rows.count() == 7
    tab.picture("capacity")


def test_sliders_move_the_numbers_and_the_curves(tab):
    tab.open("#/things/capacity")
    curve = tab.page.locator(".plot").first
    curve.locator("svg").wait_for()
    before, text = curve.screenshot(), curve.locator("svg").get_attribute("aria-label")
    slider = tab.page.get_by_label("Items", exact=True)
    slider.focus()
    for _ in range(40):
        tab.page.keyboard.press("ArrowLeft")
    until(tab, "!location.hash.includes('items=200') && location.hash.includes('items=')")
    items = int(re.search(r"items=(\d+)", tab.route())[1])
    assert 100 < items < 200
    expected = f"{bounds.dimension('membership', 'MAP-B', items=items, universe=1_000_000, error=1e-3):,}"
    until(tab, f"document.querySelector('.figure b').textContent === '{expected}'")
    assert curve.locator("svg").get_attribute("aria-label") != text
    assert curve.screenshot() != before
    tab.page.locator("aside select").nth(0).select_option("key-value")
    tab.page.locator("aside select").nth(1).select_option("MAP-I")
    expected = f"{bounds.dimension('key-value', 'MAP-I', items=items, universe=1_000_000, error=1e-3):,}"
    until(tab, f"document.querySelector('.figure b').textContent === '{expected}'")
    tab.page.locator("aside select").nth(1).select_option("Bloom")
    tab.page.get_by_text("no rigorous bound is known for key-value on Bloom").wait_for()


def test_the_experiment_is_run_and_seen(tab):
    tab.open("#/things/capacity?items=10&universe=100")
    tab.page.get_by_label("Trials").select_option("64")
    tab.page.get_by_role("button", name="Run the experiment").click()
    until(tab, "document.body.textContent.includes('64 trials per point')")
    plot = tab.page.locator(".plot svg").nth(1).get_attribute("aria-label")
    points = tab.page.request.get(tab.address + "api/capacity/experiment").json()["points"]
    assert plot.startswith("Measured failures: ")
    assert plot.count(" at ") == len(points)
    assert f"at {points[0]['dim']:,}" in plot
    tab.picture("capacity_experiment")
    tab.open("#/things/capacity?items=10&universe=1000000")
    tab.expected.add("400 (Bad Request)")
    tab.page.get_by_role("button", name="Run the experiment").click()
    tab.page.get_by_text("at most 20,000 symbols").wait_for()
    tab.page.get_by_role("button", name="Try 20 items of 500").click()
    until(tab, "location.hash.includes('universe=500')")


# ---------------------------------------------------------------------- vectors and codes


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def found(tab):
    tab.page.locator(".hits li").first.wait_for()
    return tab.page.locator(".hits .name").all_text_contents()


def test_vectors_are_searched_by_row_and_by_file(tab, indexes):
    index = indexes["vectors"]
    keys = lambda query, **options: index.keys(index.search(query, 10, **options)[1])  # noqa: E731
    tab.open("#/vectors/neighbors")
    row = tab.page.get_by_label("Row, by id or key")
    row.fill(index.keys([7])[0])
    row.press("Enter")
    until(tab, "location.hash.includes('like=7')")
    assert found(tab) == [key for key in index.keys(index.search(VECTORS[[7]], 11)[1]) if key != index.keys([7])[0]]
    tab.page.set_input_files(
        "input[type=file]", {"name": "q.npy", "mimeType": "", "buffer": npy(VECTORS[3:6].astype(np.float64))}
    )
    until(tab, "location.hash.includes('vector=')")
    tab.page.locator("#near-title", has_text="Nearest to the query").wait_for()
    assert found(tab) == keys(VECTORS[[3]])
    tab.page.get_by_role("spinbutton").fill("2")
    tab.page.get_by_role("spinbutton").press("Enter")
    until(tab, f"document.querySelector('.hits .name').textContent === '{index.keys([5])[0]}'")
    assert found(tab) == keys(VECTORS[[5]])
    for content, said in (
        (b"abc", "no .npy file"),
        (npy(VECTORS[:, :5]), "5 numbers, and the index is of 32"),
        (npy(np.array(["a"])), "are not taken"),
        (npy(VECTORS)[:900], "cut short"),
        (npy(np.asfortranarray(VECTORS)), "Fortran order"),
    ):
        tab.page.set_input_files("input[type=file]", {"name": "q.npy", "mimeType": "", "buffer": content})
        tab.page.get_by_text(said).wait_for()
    tab.picture("vectors")


def test_the_trade_off_is_measured_and_turned(tab, indexes):
    tab.open("#/vectors/neighbors?like=7")
    assert len(found(tab)) == 10
    tab.page.get_by_role("button", name="Measure recall and time").click()
    tab.page.get_by_text("64 rows of the index as queries, against exact scores of the vectors").wait_for()
    until(tab, "document.querySelector('.tradeoff progress') === null")
    points = tab.page.request.get(tab.address + "api/vectors/tradeoff").json()["points"]
    rows = tab.page.locator(".tradeoff tbody tr")
    assert [row.split()[0] for row in rows.locator("th").all_text_contents()] == [
        str(point["value"]) for point in points
    ]
    assert rows.locator("td:nth-child(2)").all_text_contents() == [f"{point['recall']:.3f}" for point in points]
    rows.first.get_by_role("button").click()
    until(tab, "location.hash.includes('probes=1')")
    tab.page.get_by_text("at 1 probes").wait_for()
    expected = [
        key
        for key in indexes["vectors"].keys(indexes["vectors"].search(VECTORS[[7]], 11, probes=1)[1])
        if key and not key.endswith("/7")
    ]
    names = "[...document.querySelectorAll('.hits .name')].map((name) => name.textContent).join()"
    until(tab, f"{names} === '{','.join(expected)}'")
    tab.picture("tradeoff")


def test_codes_are_searched_by_row_and_by_file(tab, indexes):
    tab.open("#/codes/neighbors?like=4")
    expected = [
        f"row {number}"
        for number in indexes["codes"].search(indexes["codes"].codes([4]), 11)[1][0].tolist()
        if number != 4
    ]
    assert found(tab) == expected[:10]
    packed = np.packbits(VECTORS[:2, :20].repeat(2, axis=1) > 0, axis=1)
    tab.page.set_input_files("input[type=file]", {"name": "q.npy", "mimeType": "", "buffer": npy(packed)})
    tab.page.locator("#near-title", has_text="Nearest to the query").wait_for()
    assert found(tab) == [
        f"row {number}" for number in indexes["codes"].search(indexes["codes"].codes([0]), 10)[1][0].tolist()
    ]
    tab.page.get_by_label("First bit of a byte").select_option("little")
    until(tab, "location.hash.includes('bitorder=little')")
