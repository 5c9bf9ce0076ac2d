"""The explorer in a real browser: search, explanations, filters, fields, comparison, states, keyboard, sizes.

``HDC_PICTURES=docs/images pytest tests/test_explorer.py`` writes the screenshots of the documentation.
"""

import csv
import io
import json
import random
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import browser

browser.skip_without_browser()

from hdc.apps.demo.command import load_index
from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.serve import Served, create_app

PAGE = Path(__file__).parent.parent / "apps" / "serve" / "page"
MOST_BYTES = 250_000

DIAGNOSES = {
    "Epilepsy": ["Seizure", "EEG abnormality", "Global developmental delay"],
    "Type 2 diabetes": ["Hyperglycemia", "Polyuria", "Obesity"],
    "Asthma": ["Wheezing", "Cough", "Dyspnea"],
    "Migraine": ["Headache", "Photophobia", "Nausea"],
    "Atrial fibrillation": ["Palpitations", "Dyspnea", "Fatigue"],
}

ATTACK = "<script>document.title='stolen'</script><img src=x onerror=\"document.title='stolen'\">"

HOSTILE = [
    {"title": ATTACK, "tags": [ATTACK, "safe"], ATTACK: {"__proto__": "polluted", "constructor": 1}},
    {"title": "javascript:alert(1)", "tags": ["{{7*7}}", "${7*7}", "'\"`"], "size": 1e308},
    {"title": "كلب أسود", "tags": ["עברית", "\u202eevil"], "size": -1.5},
    {"title": "👩‍👩‍👧‍👦 family 🇺🇳", "tags": ["e\u0301" * 40, "\x00\x07"], "size": 0},
    {"title": "long", "text": "wörd " * 20_000, "tags": ["w" * 100_000]},
    {"title": "deep", "at": [[[[[{"x": [{"y": 1}]}]]]]], "many": list(range(3000))},
    {"title": "", "tags": [], "nothing": None, "yes": True},
]


def patients(count):
    chosen = random.Random(7)
    for number in range(count):
        label = chosen.choice(list(DIAGNOSES))
        age = max(0, min(98, round(chosen.gauss(34 if label in ("Epilepsy", "Asthma", "Migraine") else 61, 17))))
        features = chosen.sample(DIAGNOSES[label], chosen.randrange(1, 4))
        yield {
            "id": f"P{number:04}",
            "sex": chosen.choice(["female", "male"]),
            "age": age,
            "diagnosis": {"label": label, "since": 2024 - chosen.randrange(0, min(age, 20) + 1)},
            "phenotypicFeatures": [{"label": f, "severity": chosen.choice(["mild", "severe"])} for f in features],
            "lab": {"hemoglobin": round(chosen.gauss(14, 1.2), 1), "glucose": round(chosen.gauss(95, 18))},
        }


def indexed(documents, **options):
    documents = list(documents)
    return JSONIndex(JSONEncoder(1024).fit(documents), **options).add(documents)


@pytest.fixture(scope="module")
def address():
    indexes = {
        "operations": load_index("operations", JSONEncoder()),
        "patients": indexed(patients(600), key="id"),
        "hostile": indexed(HOSTILE),
        "empty": JSONIndex(JSONEncoder(64)),
    }
    served = Served(indexes)
    with browser.serving(create_app(served)) as address:
        yield address
    served.close()


@pytest.fixture(scope="module")
def chromium():
    with browser.browsing() as chromium:
        yield chromium


@pytest.fixture
def tab(chromium, address):
    with browser.tab(chromium, address) as tab:
        yield tab


def titles(tab):
    return tab.page.locator(".card .title").all_text_contents()


def settled(tab):
    """Wait until the results are those of the query."""
    tab.page.wait_for_selector(".cards[aria-busy=false], .state h2")


def search_box(tab):
    return tab.page.get_by_role("combobox", name="Search in words")


# ---------------------------------------------------------------------- search


def test_results_come_while_typing_and_say_why(tab):
    tab.open()
    page = tab.page
    page.wait_for_selector(".card")
    assert tab.route() in ("", "#/")
    assert page.title() == "operations · Search"
    search_box(tab).press_sequentially("delete message queue", delay=10)
    first = page.locator(".card").first
    first.get_by_text("DeleteMessage").first.wait_for()
    assert "q=delete+message+queue" in tab.route()
    assert first.locator(".score").text_content() == "0.95"
    assert "Amazon SQS · DeleteMessage" in titles(tab)
    reasons = first.locator(".reasons li")
    assert reasons.count() == 4
    assert "operation" in reasons.all_text_contents()[0]
    marks = first.locator(".reasons mark").all_text_contents()
    assert {"Message", "queue", "Queue"} <= set(marks)
    widths = first.locator(".stack i").evaluate_all("(parts) => parts.map((part) => part.style.width)")
    assert sum(float(width.rstrip("%")) for width in widths) == pytest.approx(95, abs=1)
    first.get_by_role("button", name="fields more").click()
    assert reasons.count() > 4
    tab.picture("search")


def test_old_results_stay_until_the_new_come(tab):
    tab.open("#/operations/search?q=delete message")
    settled(tab)
    tab.page.route("**/search", lambda route: (tab.page.wait_for_timeout(300), route.continue_()))
    search_box(tab).fill("create bucket")
    tab.page.wait_for_selector(".cards.stale[aria-busy=true]")
    assert any("Delete" in title for title in titles(tab))
    settled(tab)
    assert any("CreateBucket" in title for title in titles(tab))


def test_suggestions_of_real_values_become_fields(tab):
    tab.open("#/operations/search")
    tab.page.wait_for_selector(".facets .values")
    search_box(tab).press_sequentially("sqs", delay=10)
    option = tab.page.get_by_role("option", name="service = Amazon SQS")
    option.wait_for()
    assert search_box(tab).get_attribute("aria-expanded") == "true"
    option.click()
    chip = tab.page.locator(".chip.field")
    chip.wait_for()
    assert "service ≈ Amazon SQS" in chip.text_content()
    settled(tab)
    tab.page.wait_for_function("document.querySelector('.card .title').textContent.startsWith('Amazon SQS')")
    chip.get_by_role("button", name="Remove").click()
    chip.wait_for(state="detached")
    assert "query=" not in tab.route()


def test_the_three_forms_are_one_query(tab):
    tab.open("#/patients/search?q=seizure")
    settled(tab)
    page = tab.page
    page.get_by_role("button", name="Fields", exact=True).click()
    assert page.get_by_role("combobox", name="Value of *").input_value() == "seizure"
    page.get_by_role("button", name="+ field").click()
    fresh = page.get_by_role("combobox", name="Field").last
    fresh.fill("diag")
    page.get_by_role("option", name="diagnosis.label").click()
    page.get_by_role("combobox", name="Value of diagnosis.label").fill("Epi")
    page.get_by_role("option", name="Epilepsy").click()
    page.get_by_role("button", name="JSON", exact=True).click()
    box = page.get_by_role("textbox", name="Query as JSON")
    assert json.loads(box.input_value()) == {"*": "seizure", "diagnosis": {"label": "Epilepsy"}}
    box.fill('{"age": 30, "phenotypicFeatures": [{"label": "Seizure"}], "*": "mild"}')
    page.get_by_role("button", name="Words", exact=True).click()
    assert search_box(tab).input_value() == "mild"
    assert page.locator(".chip.field").count() == 2
    settled(tab)
    page.get_by_role("button", name="JSON", exact=True).click()
    box = page.get_by_role("textbox", name="Query as JSON")
    box.fill('{"age": ')
    page.wait_for_selector(".editor .warn")
    assert page.locator(".card").count() > 0
    tab.open(tab.route())
    settled(tab)
    expected = {"age": 30, "phenotypicFeatures": [{"label": "Seizure"}], "*": "mild"}
    assert json.loads(page.get_by_role("textbox", name="Query as JSON").input_value()) == expected


def test_a_number_has_a_width(tab):
    tab.open('#/patients/search?form=fields&query={"age":30}')
    settled(tab)
    tab.page.get_by_role("spinbutton", name="Width of age").fill("5")
    tab.page.wait_for_function("decodeURIComponent(location.hash).includes('age+<=+35')")
    settled(tab)
    assert tab.page.locator(".chip.filter").all_text_contents() == ["age ≥ 25✕", "age ≤ 35✕"]
    tab.page.wait_for_selector("text=that pass")
    count = sum(25 <= patient["age"] <= 35 for patient in patients(600))
    tab.page.wait_for_selector(f"text=of {count} that pass")


def test_queries_are_the_same_in_every_form(tab):
    tab.open()
    wrong = tab.page.evaluate(
        """async () => {
          const { fieldsOf, valueOf, stepsOf, pathOf, readQuery, writeQuery, whole, typed, untyped } =
            await import("./query.js");
          const wrong = [];
          const values = [{a: 1}, {a: {b: [{c: 1, d: "x"}, {c: 2}]}}, {}, [], "x", [1, 2], null, 0, {constructor: 1},
            JSON.parse('{"__proto__": {"a": 1}}'), {"a b": {"'": []}}, {a: [[1, 2], [3]]}, {"*": "x", a: 1}];
          for (const value of values) {
            const text = JSON.stringify(value);
            if (JSON.stringify(valueOf(fieldsOf(value))) !== text) wrong.push(["fields", text]);
            const again = whole(readQuery(JSON.parse(JSON.stringify(writeQuery(value)))));
            if (JSON.stringify(again, Object.keys(again ?? {}).sort()) !== JSON.stringify(value, Object.keys(value ?? {}).sort())
                && text !== "{}") wrong.push(["url", text, JSON.stringify(again)]);
          }
          const paths = [["a", "b"], ["input", 0, "name"], ["a b", 3, "x'y\\\\z"], ["$"], ["\\n"], ["é", "[]"]];
          for (const steps of paths) {
            if (JSON.stringify(stepsOf(pathOf(steps))) !== JSON.stringify(steps)) wrong.push(["path", steps, pathOf(steps)]);
          }
          for (const value of ["", "12", 12, true, "true", null, "a", '"', "{}", -1e3, " x ", "[ ]"]) {
            if (typed(untyped(value)) !== value) wrong.push(["typed", value, untyped(value)]);
          }
          return wrong;
        }"""
    )
    assert wrong == []


# ---------------------------------------------------------------------- filters


def test_facets_count_and_filter(tab):
    tab.open("#/patients/search")
    page = tab.page
    people = list(patients(600))
    women = [person for person in people if person["sex"] == "female"]
    page.get_by_role("button", name=f"female {len(women)}").click()
    page.wait_for_selector(f"text=of {len(women)} ·")
    assert page.locator(".chip.filter").all_text_contents() == ["sex = female✕"]
    ill = sum(person["diagnosis"]["label"] == "Epilepsy" for person in women)
    page.get_by_role("button", name=f"Epilepsy {ill}").click()
    page.wait_for_selector(f"text=of {ill} ·")
    men = sum(person["sex"] == "male" and person["diagnosis"]["label"] == "Epilepsy" for person in people)
    page.get_by_role("button", name=f"male {men}", exact=True).click()
    page.wait_for_selector(f"text=of {men} ·")
    page.go_back()
    page.wait_for_selector(f"text=of {ill} ·")
    page.go_back()
    page.wait_for_selector(f"text=of {len(women)} ·")
    page.go_forward()
    page.wait_for_selector(f"text=of {ill} ·")
    page.get_by_role("button", name="reset").click()
    page.wait_for_selector("text=of 600 ·")


def test_a_histogram_is_dragged_over(tab):
    tab.open("#/patients/search")
    chart = tab.page.get_by_role("img", name="age:")
    chart.wait_for()
    box = chart.bounding_box()
    tab.page.mouse.move(box["x"] + 2, box["y"] + 20)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + box["width"] / 3, box["y"] + 20)
    tab.page.mouse.up()
    tab.page.wait_for_function("location.hash.includes('age+%3C%3D')")
    settled(tab)
    high = float(tab.page.get_by_role("spinbutton", name="age to").input_value())
    count = sum(person["age"] <= high for person in patients(600))
    tab.page.wait_for_selector(f"text=of {count} ·")
    tab.page.get_by_role("spinbutton", name="age to").fill("20")
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_selector(f"text=of {sum(person['age'] <= 20 for person in patients(600))} ·")


def test_a_filter_is_written_by_hand(tab):
    tab.expected.add("400")
    tab.open("#/patients/search")
    tab.page.get_by_role("button", name="+ filter").click()
    box = tab.page.get_by_role("textbox", name="Only documents with")
    box.fill("lab.hemoglobin < 12")
    box.press("Enter")
    count = sum(person["lab"]["hemoglobin"] < 12 for person in patients(600))
    tab.page.wait_for_selector(f"text=of {count} ·")
    tab.open("#/patients/search?where=nonsense")
    assert "cannot be read" in tab.page.locator(".note.warn").text_content()


# ---------------------------------------------------------------------- one document, and two


def test_a_result_opens_to_its_document(tab):
    tab.open('#/operations/search?query={"operation":"delete message","input":[{"name":"QueueUrl","required":true}]}')
    settled(tab)
    card = tab.page.locator(".card").first
    card.locator(".title").click()
    document = card.get_by_label("Document")
    shown = document.text_content()
    assert json.loads(shown)["operation"] == "DeleteMessage"
    assert "QueueUrl" in document.locator("mark").all_text_contents()
    tab.picture("explanation")
    card.locator(".title").click()
    document.wait_for(state="detached")


def test_more_like_this(tab):
    tab.open('#/operations/search?query={"operation":"SendMessage"}')
    settled(tab)
    card = tab.page.locator(".card").filter(has_text="Amazon SQS").first
    title = card.locator(".title").text_content()
    card.get_by_role("button", name="More like").click()
    chip = tab.page.locator(".chip.like")
    chip.filter(has_text=title).wait_for()
    settled(tab)
    tab.page.wait_for_function("document.querySelector('.card .score')?.textContent < '0.95'")
    assert title not in titles(tab)
    assert any("Amazon SQS" in title for title in titles(tab)[:3])
    assert "approximate" in tab.page.locator(".summary").text_content()


def test_two_documents_side_by_side(tab):
    tab.open("#/operations/search?q=delete message queue")
    settled(tab)
    cards = tab.page.locator(".card")
    cards.nth(0).get_by_role("button", name="Compare").click()
    tab.page.locator(".held").filter(has_text="Amazon SQS · DeleteMessage").wait_for()
    cards.nth(1).get_by_role("button", name="Compare").click()
    tab.page.wait_for_selector("table.compare")
    assert "/compare?" in tab.route()
    assert tab.page.locator(".side h2").all_text_contents()[0].startswith("Amazon SQS · DeleteMessage")
    cosine = float(tab.page.locator(".cosine").text_content())
    assert 0.2 < cosine < 0.6
    rows = tab.page.locator("table.compare tbody tr")
    every = rows.count()
    tab.picture("compare")
    tab.page.get_by_label("only what differs").check()
    assert 0 < rows.count() < every
    tab.page.get_by_role("button", name="Swap the documents").click()
    tab.page.wait_for_function("location.hash.includes('a=118')")
    assert float(tab.page.locator(".cosine").text_content()) == pytest.approx(cosine, abs=0.011)
    tab.page.get_by_role("combobox", name="Second document").fill("create bucket")
    tab.page.get_by_role("option", name="CreateBucket").first.click()
    tab.page.locator(".side h2").filter(has_text="CreateBucket").wait_for()


# ---------------------------------------------------------------------- fields


def test_fields_describe_a_collection(tab):
    tab.open("#/patients/fields")
    page = tab.page
    line = page.get_by_role("row").filter(has_text="diagnosis.label")
    line.wait_for()
    assert page.get_by_role("row").count() == 10
    assert "600" in line.text_content()
    page.get_by_role("row").filter(has_text="age").get_by_role("img").first.wait_for()
    page.wait_for_selector("text=are predicted to be decoded rightly")
    tab.picture("fields")
    page.get_by_role("searchbox", name="Find a field").fill("lab")
    page.wait_for_function("document.querySelectorAll('tbody tr').length === 2")
    page.get_by_role("searchbox", name="Find a field").fill("")
    page.get_by_label("Order").select_option("weight")
    assert "order=weight" in tab.route()
    page.get_by_role("button", name="diagnosis.label").click()
    page.locator(".detail li").filter(has_text="Asthma").get_by_role("button", name="filter").click()
    settled(tab)
    assert page.locator(".chip.filter").all_text_contents() == ["diagnosis.label = Asthma✕"]


# ---------------------------------------------------------------------- taking it along


def test_the_same_as_a_command(tab):
    tab.open("#/patients/search?q=it's a seizure&where=age >= 30")
    settled(tab)
    tab.page.get_by_role("button", name="as curl").click()
    shown = tab.page.locator(".command pre")
    shown.first.wait_for()
    curl, python, command = shown.all_text_contents()
    compile(python, "python", "exec")
    assert "where=[\"age >= 30\"]" in python
    assert shlex.split(command.replace("\\\n", ""))[:4] == ["hdc", "json", "search", "patients"]
    if shutil.which("curl"):
        words = [word for word in shlex.split(curl.replace("\\\n", "")) if word.strip()]
        out = subprocess.run([*words, "-s"], capture_output=True, check=True).stdout
        assert [hit["id"] for hit in json.loads(out)["hits"]]
        assert len(json.loads(out)["hits"]) == tab.page.locator(".card").count()


def test_hits_are_exported(tab):
    tab.open("#/hostile/search?q=safe")
    settled(tab)
    for kind in ("JSON Lines", "CSV"):
        tab.page.get_by_role("button", name="Export").click()
        with tab.page.expect_download() as waiting:
            tab.page.get_by_role("menuitem", name=kind).click()
        text = Path(waiting.value.path()).read_text(encoding="utf-8")
        if kind == "CSV":
            (row,) = csv.DictReader(io.StringIO(text))
            assert row["document.title"] == ATTACK
        else:
            assert json.loads(text)["document"] == HOSTILE[0]


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
    page.get_by_label("Document").wait_for()
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
    tab.open("#/hostile/search?q=safe")
    settled(tab)
    assert ATTACK in titles(tab)[0]
    tab.page.locator(".card .title").first.click()
    tab.page.get_by_label("Document").wait_for()
    tab.open("#/hostile/fields")
    tab.page.wait_for_selector("table.table")
    for button in tab.page.locator("tbody th button").all():
        button.click()
    tab.open("#/hostile/compare?a=0&b=1")
    tab.page.wait_for_selector("table.compare")
    tab.open(f"#/hostile/search?q={ATTACK}&where=title != {ATTACK}&form={ATTACK}")
    tab.page.wait_for_selector(".state h2, .card")
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
    assert len(long.get_by_label("Document").text_content()) < 5_000
    long.get_by_role("button", name="all 100,000 characters").first.click()
    assert len(long.get_by_label("Document").text_content()) > 100_000
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
    tab.page.get_by_role("button", name="Try again").click()
    settled(tab)
    assert any("CreateBucket" in title for title in titles(tab))


def test_a_token_is_asked_for(chromium):
    from hdc.apps.serve import Tokens
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
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", "").replace("http://www.w3.org/1999/xhtml", "").replace("http://www.w3.org/1998/Math/MathML", "")


def test_every_library_has_its_license():
    vendored = PAGE / "vendor"
    listed = (vendored / "README.md").read_text(encoding="utf-8")
    for path in vendored.iterdir():
        if path.suffix in (".js", ".css"):
            assert f"`{path.name}`" in listed
    assert {path.name for path in vendored.glob("*.LICENSE")} >= {"preact.LICENSE", "htm.LICENSE", "uplot.LICENSE"}


def test_how_fast_it_is_shown(tab, record_property):
    tab.open("#/operations/search?q=delete message")
    settled(tab)
    tab.open("#/operations/search?q=delete message")
    settled(tab)
    first = tab.page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0")
    record_property("first_paint_ms", first)
    print(f"first paint {first:.0f} ms")
    assert first > 0
