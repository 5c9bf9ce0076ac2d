"""axe-core finds no violation of WCAG 2.2 A and AA on the page: every view, light, dark, at a desk and on a phone."""

import pytest

from tests import browser
from tests.test_explorer_map import STALL, address, chromium, indexes, until

browser.skip_without_browser()
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-core: nox -s a11y").Axe()

__all__ = ["address", "chromium", "indexes"]  # fixtures

pytestmark = pytest.mark.slow

RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}

LOOKS = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "phone": {"width": 360, "height": 740, "device_scale_factor": 2, "is_mobile": True, "has_touch": True},
    "dark phone": {"width": 360, "height": 740, "color_scheme": "dark", "is_mobile": True, "has_touch": True},
}


def pressed(key):
    """Press a key of the page."""
    return lambda tab: tab.page.keyboard.press(key)


def clicked(name, role="button"):
    """Click the first part of a name."""
    return lambda tab: tab.page.get_by_role(role, name=name).first.click()


def opened(tab):
    tab.page.locator(".card .title").first.click()
    tab.page.get_by_label("Document", exact=True).wait_for()


def typed(tab):
    tab.page.get_by_role("combobox", name="Search in words").type("be")
    tab.page.get_by_role("option").first.wait_for()


def unfolded(tab):
    """Show the filters, which a phone folds."""
    fold = tab.page.get_by_role("button", name="show")
    if fold.is_visible():
        fold.click()
    tab.page.locator(".range rect").first.wait_for()


def measured(tab):
    if tab.page.get_by_role("button", name="Measure recall and time").count():
        clicked("Measure recall and time")(tab)
    tab.page.locator(".tradeoff tbody tr").first.wait_for()


def mapped(tab):
    until(tab, "window.hdcMap?.count > 0 && hdcMap.frames.drawn > 0")
    until(tab, "hdcMap.shades.some((shade) => shade > 0)")


def held(tab):
    tab.page.locator(".card").first.focus()
    tab.page.keyboard.press("x")
    tab.page.locator(".held").wait_for()


def left_alone(tab):
    """Let the server not answer."""
    tab.expected |= {"ERR_FAILED", "Failed to load resource"}
    tab.page.route("**/api/**", lambda route: route.abort())
    tab.page.get_by_role("combobox", name="Search in words").fill("wing")
    tab.page.locator(".banner").wait_for()


def asked_for_a_token(tab):
    refused = {"status": 401, "json": {"error": {"type": "TokenError", "message": "this token is wrong"}}}
    tab.expected |= {"401"}
    tab.page.route("**/api/**", lambda route: route.fulfill(**refused))
    tab.page.get_by_role("combobox", name="Search in words").fill("wing")
    tab.page.get_by_role("dialog").wait_for()


def picked(tab):
    mapped(tab)
    tab.page.get_by_role("heading", name="Nearest", exact=True).wait_for()


OVER = {"export": ".sheet"}
"""Where to look if what is open covers a part of a button below it, which axe-core takes for a small button."""

VIEWS = {
    "all documents": ("#/things/search", ".card", None),
    "results with reasons": ("#/things/search?q=beak bird", ".card .reasons li", None),
    "fields of a query": ('#/things/search?form=fields&query={"kind":"bird","size":30}', ".width", None),
    "a query as JSON": ('#/things/search?form=json&query={"kind":"bird"}', ".card", None),
    "filters": ('#/things/search?where=kind = "bird"&where=size >= 9&facet=kind&facet=size', ".card", unfolded),
    "a document": ("#/things/search?q=beak", ".card", opened),
    "suggestions": ("#/things/search", ".card", typed),
    "more like one": ("#/things/search?like=7", ".card", None),
    "as a command": ("#/things/search?q=beak", ".card", clicked("as curl")),
    "export": ("#/things/search?q=beak", ".card", clicked("Export")),
    "another index": ("#/things/search", ".card", clicked("things")),
    "titles": ("#/things/search", ".card", clicked("Titles")),
    "held for comparison": ("#/things/search", ".card", held),
    "the server gone": ("#/things/search", ".card", left_alone),
    "a wrong token": ("#/things/search", ".card", asked_for_a_token),
    "a wrong query": ("#/things/search?where=nonsense", '[role="alert"], .state', None),
    "the list of keys": ("#/things/search", ".card", pressed("?")),
    "compare": ("#/things/compare?a=1&b=2", "table.compare", None),
    "fields": ("#/things/fields?open=size", "table.table", None),
    "map": ("#/things/map", "canvas", mapped),
    "a point of the map": ("#/things/map?pick=7", "canvas", picked),
    "capacity": ("#/things/capacity", ".plot svg", None),
    "vectors": ("#/vectors/neighbors?like=7", ".hits li", measured),
    "codes": ("#/codes/neighbors?like=7", ".hits li", None),
    "an empty index": ("#/empty/search", ".state h2", None),
    "nothing here": ("#/nobody/search", ".state h1", None),
}


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_no_violation(chromium, address, look):
    found = {}
    for name, (route, there, act) in VIEWS.items():
        with browser.tab(chromium, address, **LOOKS[look]) as tab:
            tab.expected |= {STALL, "404", "400"}
            tab.open(route)
            tab.page.locator(there).first.wait_for()
            if act is not None:
                act(tab)
            tab.page.wait_for_load_state("networkidle")
            asked = {"runOnly": RULES, "resultTypes": ["violations", "passes"]}
            results = axe.run(tab.page, OVER.get(name), asked).response
            assert len(results["passes"]) > 3, name  # it looked
            for rule in results["violations"]:
                nodes = [f"{node['target']} {node['failureSummary']}\n{node['html'][:200]}" for node in rule["nodes"]]
                found.setdefault(f"{rule['id']}: {rule['help']}", []).append((name, nodes))
    assert not found, "\n".join(
        f"{rule}\n  in {name}:\n  " + "\n  ".join(nodes) for rule, places in found.items() for name, nodes in places
    )
