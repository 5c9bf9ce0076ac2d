"""What the tests of the explorer share: collections, also hostile ones, a server of them, a browser."""

import random

import pytest

from hdc.apps.json import JSONEncoder, JSONIndex
from tests import browser

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
    from hdc.apps.demo.command import load_index
    from hdc.apps.serve import Limits, Served, create_app

    indexes = {
        "operations": load_index("operations", JSONEncoder()),
        "patients": indexed(patients(600), key="id"),
        "hostile": indexed(HOSTILE),
        "empty": JSONIndex(JSONEncoder(64)),
    }
    served = Served(indexes, Limits(seconds=browser.MILLISECONDS / 1000))  # machines of tests are busy
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
