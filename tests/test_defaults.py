"""The default of every public parameter, and the sizes that decide what is stored: a change is made on purpose.

``python -m tests.test_defaults`` writes the table anew.
"""

import dataclasses
import inspect
import json
from pathlib import Path

import pytest

import hdc
import hdc.apps.capacity
import hdc.apps.json
import hdc.apps.learn
import hdc.apps.retrieval
import hdc.bounds
from hdc.apps.json.document import rules
from hdc.apps.json.encoder import decoder, sign_bits
from hdc.apps.json.values import learning, number_scale, numbers, sketches, statistics, strings, values
from hdc.apps.retrieval.binarizers import estimating, rabitq
from hdc.apps.retrieval.binarizers.bebr import decoder as tables
from hdc.apps.retrieval.binarizers.bebr import recurrence, recurrent

GOLDEN = Path(__file__).parent / "golden" / "defaults.json"
MODULES = (hdc, hdc.bounds, hdc.apps.json, hdc.apps.learn, hdc.apps.retrieval)


def defaults_of(function):
    """Return the defaults of a callable that are plain values."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    plain = (bool, int, float, str)
    return {p.name: p.default for p in parameters if isinstance(p.default, plain)}


def members(thing):
    """Yield the public callables of a class, or the function itself."""
    yield "", thing
    if inspect.isclass(thing):
        for name, value in inspect.getmembers(thing):
            if not name.startswith("_") and inspect.isfunction(value):
                yield f".{name}", value


def written():
    found = {}
    for module in MODULES:
        for name in module.__all__:
            thing = getattr(module, name)
            if callable(thing):
                own = {f"{module.__name__}.{name}{end}": defaults_of(part) for end, part in members(thing)}
                found |= {place: defaults for place, defaults in own.items() if defaults}
    return dict(sorted(found.items()))


def test_defaults():
    assert written() == json.loads(GOLDEN.read_text(encoding="utf-8")), "see python -m tests.test_defaults"


STORED = {
    rules: {"WINDOW": 3, "LARGEST_WEIGHT": 1e6},
    decoder: {"SPREAD": 0.5, "UNSEEN": (0.2, 0.4, 0.6), "INTERVAL": 0.95, "LARGEST_COSINE": 0.9995},
    sign_bits: {"TIE": 1e-5},
    learning: {"MAX_TOKENS": 100_000, "MAX_TOKEN_LENGTH": 256, "NUMBERS": 256, "INT64": 2**63},
    number_scale: {"NUMBER_SHARE": 0.1, "PRIOR": 16, "KNOTS": 64},
    numbers: {"EXACT_NUMBER": 0.1, "CELLS": 8, "DECADE_WIDTHS": (1.0, 0.2, 0.04), "QUANTILE_WIDTHS": (0.5, 0.1, 0.02)},
    sketches: {"KEPT": 2**18, "SAMPLE": 4096, "SAMPLED": 2**20},
    statistics: {"FLOOR": 0.1},
    strings: {"MAX_WORDS": 1024, "MAX_GRAMS": 1024, "MAX_GRAM_WORD": 64, "GRAMS": (3, 4), "LEAST_CODES": 8},
    values: {"BANDWIDTHS": (1e-6, 1e6), "EXACT_TEXT": 0.1, "CONTAINED": 0.9},
    estimating: {"E0": 1.9},
    rabitq: {"MOST_LISTS": 2**24, "MOST_COMPONENTS": 2**16, "MEAN_MOST": 2**15 - 1},
    tables: {"RIDGE": 3.0, "LEAST_VARIANCE": 1e-6, "SOLVER_STEPS": 4},
    recurrence: {"RIDGE": 1e-3},
    recurrent: {"SAMPLE": 50_000},
}
"""Constants that decide what a fitted model or encoder is, or which are the stated limits of a parameter."""


@pytest.mark.parametrize("module", STORED, ids=lambda module: module.__name__.rpartition(".")[2])
def test_constants(module):
    assert {name: getattr(module, name) for name in STORED[module]} == STORED[module]


def test_defaults_of_records():
    """What a dataclass leaves out is what its documentation says."""
    options = {field.name: field.default for field in dataclasses.fields(values.ValueOptions)}
    assert options == {
        "numbers": "grid",
        "bandwidth": 0.1,
        "convert": (),
        "strings": None,
        "string_encoder": None,
        "rarity": True,
    }
    assert strings.Shares() == (0.5, 0.5, 0.0, 0.0)


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(written(), indent=1) + "\n", encoding="utf-8")
