"""The explorer without a mouse, in the dark, on a phone, with hostile data, without a server; its weight."""

import re
from pathlib import Path

import pytest

from tests import browser
from tests.explorer_cases import ATTACK, address, chromium, indexed, search_box, settled, tab, titles

browser.skip_without_browser()

__all__ = ["address", "chromium", "tab"]  # fixtures

PAGE = Path(__file__).parent.parent / "apps" / "serve" / "page"
MOST_BYTES = 250_000
NAMESPACES = re.compile(r"http://www\.w3\.org/[\w/]+")


# ---------------------------------------------------------------------- keyboard


def test_everything_without_a_mouse(tab):
    tab.open("#/operations/search")
    page, keys = tab.page, tab.page.keyboard
    page.wait_for_selector(".card")
    keys.press("/")
    assert tab.focus() == "Search in words"
    keys.type("delete message queue")
    page.locator(".card").first.filter(has_text="DeleteMessage").wait_for()
    keys.press("Escape")
    keys.press("Escape")
    keys.press("/")
    keys.press("Escape")
    page.locator(".card").first.focus()
    keys.press("ArrowDown")
    assert "DeleteMessageBatch" in tab.focus()
    keys.press("ArrowUp")
    keys.press("Enter")
    page.get_by_label("Document", exact=True).wait_for()
    keys.press("x")
    page.wait_for_selector(".held")
    keys.press("ArrowDown")
    keys.press("x")
    page.wait_for_selector("table.compare")
    keys.press("f")
    page.wait_for_selector("table.table")
    keys.press("s")
    page.locator(".card").first.wait_for()
    page.locator(".card").first.focus()
    keys.press("l")
    page.wait_for_selector(".chip.like")
    keys.press("d")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    keys.press("?")
    page.get_by_role("dialog").wait_for()
    keys.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")


def test_focus_is_seen_and_the_first_tab_skips(tab):
    tab.open("#/operations/search")
    tab.page.wait_for_selector(".card")
    tab.page.keyboard.press("Tab")
    assert tab.focus() == "Skip to content"
    outline = tab.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    tab.page.keyboard.press("Enter")
    assert tab.page.evaluate("document.activeElement.id") == "main"


# ---------------------------------------------------------------------- sizes and colors


@pytest.mark.parametrize("view", ["search?q=seizure", "fields?open=age", "compare?a=1&b=2"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_window(chromium, address, view, width):
    with browser.tab(chromium, address, width, 740) as tab:
        for name in ("patients", "hostile"):
            tab.open(f"#/{name}/{view}")
            tab.page.wait_for_selector(".card, table, .state h2")
            tab.page.wait_for_load_state("networkidle")
            assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} {view}"


def test_on_a_phone(chromium, address):
    with browser.tab(chromium, address, 390, 800, device_scale_factor=2, is_mobile=True, has_touch=True) as tab:
        tab.open("#/patients/search?q=seizure")
        settled(tab)
        tab.picture("phone")
        assert not tab.page.locator(".facet").first.is_visible()
        tab.page.get_by_role("button", name="show").tap()
        tab.page.locator(".facet").first.wait_for()


def test_in_the_dark(chromium, address):
    with browser.tab(chromium, address, color_scheme="dark") as tab:
        tab.open('#/patients/search?form=fields&query={"age":30,"phenotypicFeatures":[{"label":"seizures"}]}')
        settled(tab)
        ground = tab.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert max(map(int, ground[4:-1].split(","))) < 60
        tab.page.wait_for_load_state("networkidle")
        tab.picture("dark")
        tab.page.get_by_role("button", name="Light or dark").click()
        tab.open("#/patients/search")
        tab.page.wait_for_selector(".card")
        assert tab.page.evaluate("document.documentElement.dataset.theme") == "light"


# ---------------------------------------------------------------------- what data may be


def test_documents_cannot_run_anything(tab):
    tab.expected.add("400")  # what stands in the address is no condition
    tab.open("#/hostile/search?q=safe")
    settled(tab)
    assert ATTACK in titles(tab)[0]
    tab.page.locator(".card .title").first.click()
    tab.page.get_by_label("Document", exact=True).wait_for()
    tab.open("#/hostile/fields")
    tab.page.wait_for_selector("table.table")
    for button in tab.page.locator("tbody th button").all():
        button.click()
    tab.open("#/hostile/compare?a=0&b=1")
    tab.page.wait_for_selector("table.compare")
    tab.open(f"#/hostile/search?q={ATTACK}&where=title != {ATTACK}&form={ATTACK}")
    tab.page.wait_for_selector(".state h2, .card, .note")
    for route in ("search?form=constructor&title=__proto__", "fields?order=constructor&open=__proto__"):
        tab.open(f"#/hostile/{route}")
        tab.page.wait_for_selector(".card, table.table")
    assert tab.page.title() != "stolen"
    assert tab.page.locator("#app script, #app img").count() == 0
    assert tab.page.evaluate("({}).polluted") is None


def test_any_script_and_any_length(tab):
    tab.open("#/hostile/search")
    settled(tab)
    shown = titles(tab)
    assert "كلب أسود" in shown
    assert "👩‍👩‍👧‍👦 family 🇺🇳" in shown
    assert len(tab.page.content()) < 400_000
    long = tab.page.locator(".card").filter(has_text="long").first
    long.locator(".title").first.click()
    assert len(long.get_by_label("Document", exact=True).text_content()) < 5_000
    long.get_by_role("button", name="all 100,000 characters").first.click()
    assert len(long.get_by_label("Document", exact=True).text_content()) > 100_000
    long.locator(".title").first.click()
    deep = tab.page.locator(".card").filter(has_text="deep").first
    deep.locator(".title").first.click()
    deep.get_by_role("button", name="2,950 more").click()
    assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tab.open("#/hostile/search?q=أسود")
    settled(tab)
    assert titles(tab)[0] == "كلب أسود"
    assert search_box(tab).evaluate("(box) => getComputedStyle(box).direction") == "rtl"


# ---------------------------------------------------------------------- states


def test_an_empty_index_says_so(tab):
    tab.open("#/empty/search")
    tab.page.get_by_role("heading", name="Nothing found").wait_for()
    tab.open("#/empty/fields")
    tab.page.get_by_role("heading", name="No fields").wait_for()
    tab.open("#/nobody/search")
    tab.page.get_by_text("There is no index nobody").wait_for()
    tab.open("#/empty/compare")
    tab.page.get_by_role("heading", name="Choose two documents").wait_for()


def test_the_server_goes_and_comes_back(tab):
    tab.expected |= {"ERR_FAILED", "ERR_CONNECTION", "Failed to load resource"}
    tab.open("#/operations/search?q=delete message")
    settled(tab)
    tab.page.route("**/api/**", lambda route: route.abort())
    search_box(tab).fill("create bucket")
    tab.page.locator(".banner").filter(has_text="does not answer").wait_for()
    tab.page.get_by_role("button", name="Try again").wait_for()
    tab.page.unroute("**/api/**")
    tab.page.locator(".banner").wait_for(state="detached")
    tab.page.locator(".card .title").filter(has_text="CreateBucket").first.wait_for()


def test_a_token_is_asked_for(chromium):
    from hdc.apps.serve import Served, Tokens, create_app
    from hdc.apps.serve.guard import Access

    token = "a-token-of-many-letters"
    served = Served({"small": indexed([{"name": "Ada"}, {"name": "Bob"}])})
    application = create_app(served, Access(tokens=Tokens(all=token, open=False)))
    with browser.serving(application) as own, browser.tab(chromium, own) as tab:
        tab.expected |= {"401", "Unauthorized"}
        tab.open("#/small/search?q=ada")
        dialog = tab.page.get_by_role("dialog")
        dialog.wait_for()
        dialog.get_by_label("Token").fill("wrong-wrong-wrong-wrong")
        dialog.get_by_role("button", name="Continue").click()
        dialog.get_by_label("Token").fill(token)
        dialog.get_by_role("button", name="Continue").click()
        settled(tab)
        assert titles(tab) == ["Ada"]
    served.close()


# ---------------------------------------------------------------------- weight


def test_the_page_is_light():
    files = [path for path in PAGE.rglob("*") if path.suffix in (".html", ".css", ".js", ".svg")]
    assert len(files) > 10
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert "http://" not in NAMESPACES.sub("", text), path


def test_every_library_has_its_license():
    vendored = PAGE / "vendor"
    listed = (vendored / "README.md").read_text(encoding="utf-8")
    for path in vendored.iterdir():
        if path.suffix in (".js", ".css"):
            assert f"`{path.name}`" in listed
    assert {path.name for path in vendored.glob("*.LICENSE")} >= {"preact.LICENSE", "htm.LICENSE"}


def test_how_fast_it_is_shown(tab, record_property):
    tab.open("#/operations/search?q=delete message")
    settled(tab)
    tab.open("#/operations/search?q=delete message")
    settled(tab)
    first = tab.page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0")
    record_property("first_paint_ms", first)
    print(f"first paint {first:.0f} ms")
    assert first > 0
