import json
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.apps.json import JSONEncoder
from hdc.apps.json.values.conversion import CONVERSIONS, YEAR, convert, date_seconds, duration_seconds, numeral_value
from hdc.apps.json.values.statistics import Profile
from hdc.apps.json.values.values import ValueOptions, Values
from hdc.errors import ParameterError

DAY = 86_400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OFFSETS = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(
    lambda d: timedelta(minutes=d // timedelta(minutes=1))
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01", 0),
        ("1970-01-02T00:00", DAY),
        ("1970-01-02T00:00:00Z", DAY),
        ("1970-01-02 01:00:00+01:00", DAY),
        ("1970-01-01T00:00:00.5", 0.5),
        ("1970-02", 31 * DAY),
        ("1970-W02-1", 4 * DAY),
        ("0001-01-01T00:00:00+23:59", -62135596800 - 23 * 3600 - 59 * 60),
        ("9999-12-31", 253402214400),
        ("2000-02-29", 951782400),
        *((text, None) for text in (
            "", "1970", "19700101", "1970-13", "1970-02-30", "1970-1-1", "1970-01-01x00:00", "1970-01-01T25:00",
            "1970-01-01T00:00:61", "0000-01-01", "10000-01-01", "1970-01-01 and more", "１９７０-01-01", "1970-01-01\n",
            "12:30:00", "1970-W60-1", "1970-01-01T", "1970-01-01T::", "1970-01-01T00:00+99:00",
        )),
    ],
)  # fmt: skip
def test_dates(text, seconds):
    assert date_seconds(text) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("P19Y", 19 * YEAR * DAY),
        ("P1Y6M", 1.5 * YEAR * DAY),
        ("P3W", 21 * DAY),
        ("P1DT2H3M4.5S", DAY + 2 * 3600 + 3 * 60 + 4.5),
        ("PT36H", 36 * 3600),
        ("P0D", 0),
        ("-P1D", -DAY),
        ("+PT1M", 60),
        ("P0,5Y", 0.5 * YEAR * DAY),
        *((text, None) for text in (
            "", "P", "PT", "P1", "P1S", "PT1Y", "1Y", "P1.5Y2M", "P1M1Y", "P1YT", "p1y", "P-1Y", "P1Y ", "P1e5D",
            "P.5D", "P1.D", "P" + "9" * 16 + "D", "P１Y", "P1Y\n", "PP1Y",
        )),
    ],
)  # fmt: skip
def test_durations(text, seconds):
    assert duration_seconds(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0), ("-0", 0), ("12", 12), ("-1.50", -1.5), ("1e3", 1000.0), ("2E-2", 0.02), ("9" * 400, int("9" * 400)),
        *((text, None) for text in (
            "", "-", "007", "+1", "1.", ".5", "1e", "1e999", "0x10", "1_000", "1,5", " 1", "1\n", "NaN", "１",
            "Infinity", "9" * 401,
        )),
    ],
)  # fmt: skip
def test_numerals(text, value):
    assert numeral_value(text) == value


@settings(max_examples=50, deadline=None)
@given(st.datetimes(datetime(2, 1, 1), datetime(9999, 12, 30)), OFFSETS | st.none())
def test_dates_are_those_of_the_standard_library(moment, offset):
    local = moment.replace(tzinfo=UTC) if offset is None else moment.replace(tzinfo=UTC) - offset
    sign = "" if offset is None else "-" if offset < timedelta(0) else "+"
    minutes = 0 if offset is None else abs(offset) // timedelta(minutes=1)
    suffix = f"{sign}{minutes // 60:02}:{minutes % 60:02}" if sign else ""
    assert date_seconds(moment.isoformat() + suffix) == (local - EPOCH).total_seconds()


@settings(max_examples=50, deadline=None)
@given(st.tuples(*[st.integers(0, 10**6)] * 4))
def test_durations_are_those_of_the_standard_library(parts):
    days, hours, minutes, seconds = parts
    expected = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
    assert duration_seconds(f"P{days}DT{hours}H{minutes}M{seconds}S") == expected


@settings(max_examples=50, deadline=None)
@given(st.integers(-(10**300), 10**300) | st.floats(allow_nan=False, allow_infinity=False))
def test_every_json_number_is_a_numeral(number):
    assert numeral_value(json.dumps(number)) == number


@settings(max_examples=200, deadline=None)
@given(st.text("0123456789-+:.,TZPWYMDHSeE ", max_size=24) | st.text(max_size=10))
def test_any_text_is_a_finite_number_or_none(text):
    found = convert(text, CONVERSIONS)
    assert found is None or (isinstance(found[1], int | float) and math.isfinite(found[1]))


def fitted(path, texts, **options):
    encoder = JSONEncoder(64, convert=CONVERSIONS, **options).fit([{path: text} for text in texts])
    return lambda one, other: encoder.values.shared((path,), one, other) / encoder.values.shared((path,), one, one)


@pytest.mark.parametrize("numbers", ["grid", "smooth"])
def test_near_dates_ages_and_prices_are_similar(numbers):
    dates = [(datetime(2018, 1, 1) + timedelta(days=day)).date().isoformat() for day in range(365)]
    shared = fitted("at", dates, numbers=numbers)
    assert shared("2018-06-10", "2018-06-11") > 0.6
    assert shared("2018-06-10", "2018-06-11") >= shared("2018-06-10", "2018-06-25") > shared("2018-06-10", "2018-12-24")
    shared = fitted("age", [f"P{years}Y" for years in range(1, 80)], numbers=numbers)
    assert shared("P19Y", "P20Y") > 0.5
    assert shared("P19Y", "P19Y6M") > shared("P19Y", "P24Y") > shared("P19Y", "P60Y")
    shared = fitted("price", [f"{cents / 100:.2f}" for cents in range(100, 9000, 7)], numbers=numbers)
    assert shared("19.99", "20.00") > 0.7
    assert shared("19.99", "80.00") < 0.2


def test_unfitted_dates_and_ages_are_soft_too():
    values = Values(Profile(), ValueOptions(convert=("dates", "durations")))
    for one, near, far in (("2018-01-01", "2018-02-01", "2009-01-01"), ("P19Y", "P20Y", "P1Y")):
        assert values.shared((), one, near) > 0.5 > values.shared((), one, far)


def test_the_text_of_a_converted_string_keeps_a_token():
    values = Values(Profile(), ValueOptions(convert=CONVERSIONS))
    tokens = values.tokens((), "1.50")
    assert tokens["=", "1.50"] ** 2 == pytest.approx(0.1)
    assert sum(weight * weight for weight in tokens.values()) == pytest.approx(1)
    assert values.shared((), "1.50", "1.50") == pytest.approx(1)
    assert values.shared((), "1.50", "1.5") == pytest.approx(0.9)
    assert values.shared((), "1.50", 1.5) == pytest.approx(0.9)


def test_strings_are_converted_on_request_only():
    documents = [{"at": "2018-01-01", "age": "P19Y", "price": "1.5"}]
    for convert_, kinds in (
        ((), {}),
        (("dates",), {"at": "date"}),
        (["durations"], {"age": "duration"}),
        ({"numbers"}, {"price": "number"}),
        (CONVERSIONS, {"at": "date", "age": "duration", "price": "number"}),
    ):
        profile = JSONEncoder(64, convert=convert_).fit(documents).profile_
        assert {path[0]: kind for path, kind in profile.scales} == kinds
        assert profile.values(("age",)) == [("P19Y", 1)]


@pytest.mark.parametrize("numbers", ["grid", "smooth"])
def test_a_path_that_fit_did_not_see_is_as_unfitted(numbers):
    fitted_ = JSONEncoder(64, convert=CONVERSIONS, numbers=numbers).fit([{"seen": 1}] * 9).values
    unfitted = Values(Profile(), ValueOptions(convert=CONVERSIONS, numbers=numbers))
    for value in (12, "12", "P12Y", "2012-12-12"):
        assert fitted_.tokens(("unseen",), value) == unfitted.tokens(("unseen",), value)
    assert fitted_.tokens(("unseen",), "a text").keys() == unfitted.tokens(("unseen",), "a text").keys()


@pytest.mark.parametrize(
    ("convert_", "message"),
    [
        ("dates", "convert must be a list"),
        (None, "convert must be a list"),
        (("dates", "times"), "each of convert must be one of dates, durations, numbers, not 'times'"),
    ],
)
def test_bad_conversions_are_told(convert_, message):
    with pytest.raises(ParameterError, match=message):
        JSONEncoder(64, convert=convert_).check()
