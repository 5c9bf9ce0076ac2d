"""The explorer in a real browser: search, explanations, filters, fields, comparison.

``HDC_PICTURES=docs/images pytest tests/test_explorer*.py`` writes the screenshots of the documentation.
"""

import csv
import io
import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.browser import skip_without_browser
from tests.explorer_cases import ATTACK, HOSTILE, address, chromium, patients, search_box, settled, tab, titles

skip_without_browser()

__all__ = ["address", "chromium", "tab"]  # fixtures


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
    tab.page.wait_for_function("() => document.querySelector('.card .title').textContent.startsWith('Amazon SQS')")
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
    fresh = page.get_by_role("combobox", name="Field", exact=True).last
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
    tab.page.wait_for_function("() => decodeURIComponent(location.hash).includes('age+<=+35')")
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
            const sorted = (one) => JSON.stringify(one, Object.keys(one ?? {}).sort());
            if (sorted(again) !== sorted(value) && text !== "{}") wrong.push(["url", text, JSON.stringify(again)]);
          }
          const paths = [["a", "b"], ["input", 0, "name"], ["a b", 3, "x'y\\\\z"], ["$"], ["\\n"], ["é", "[]"]];
          for (const steps of paths) {
            const again = stepsOf(pathOf(steps));
            if (JSON.stringify(again) !== JSON.stringify(steps)) wrong.push(["path", steps, pathOf(steps)]);
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
    tab.page.wait_for_function("() => location.hash.includes('age+%3C%3D')")
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
    document = card.get_by_label("Document", exact=True)
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
    tab.page.wait_for_function("() => document.querySelector('.card .score')?.textContent < '0.95'")
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
    tab.page.wait_for_function("() => location.hash.includes('a=118')")
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
    page.get_by_role("searchbox", name="Find a field").fill("lab.")
    page.wait_for_function("() => document.querySelectorAll('tbody tr').length === 2")
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
    assert 'where=["age >= 30"]' in python
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
            tab.page.get_by_role("button", name=kind, exact=True).click()
        text = Path(waiting.value.path()).read_text(encoding="utf-8")
        if kind == "CSV":
            (row,) = csv.DictReader(io.StringIO(text))
            assert row["document.title"] == ATTACK
        else:
            assert json.loads(text)["document"] == HOSTILE[0]
