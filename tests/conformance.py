"""The table of ``docs/reference/conformance.md``: which laws hold for each model on each backend.

``python -m tests.conformance`` writes it anew; ``tests/test_laws.py`` holds it against what the suite sees.
"""

import re
from pathlib import Path

from hdc import testing
from tests.models import FAMILIES, NO_CUDA, NO_TORCH, make

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "conformance.md"
MARKS = "<!-- conformance -->\n", "<!-- end of conformance -->"
COLUMNS = {"numpy": "`numpy`", "numba": "`numba`", "torch": "`torch`, CPU", "torch-cuda": "`torch`, CUDA"}
ABSENT = {"torch": bool(NO_TORCH), "torch-cuda": bool(NO_CUDA)}
NOT_RUN = "not run"


def dim_of(family):
    """Return the dimension of a row: dense operators and blocks are costly to draw, so less for haar and GHRR."""
    return 65 if "haar" in family else 256 if family == "GHRR" else 1000


def cell(outcomes):
    """Return what a cell says of the outcomes of a model's laws, by law."""
    skipped = sorted(law for law, outcome in outcomes.items() if outcome != "held")
    return f"{len(outcomes) - len(skipped)} hold" + (f" ({', '.join(skipped)}: n/a)" if skipped else "")


def written():
    """Read the table: cells by (family, backend)."""
    block = PAGE.read_text(encoding="utf-8").split(MARKS[0])[1].split(MARKS[1])[0]
    rows = [[part.strip() for part in line.strip("|").split("|")] for line in block.strip().splitlines()[2:]]
    return {(row[0], backend): value for row in rows for backend, value in zip(COLUMNS, row[1:], strict=True)}


def table():
    """Check all laws on all models and backends that are here and return the table as Markdown."""
    lines = [f"| model | {' | '.join(COLUMNS.values())} |", "|---" * (1 + len(COLUMNS)) + "|"]
    for family in FAMILIES:
        cells = [NOT_RUN if ABSENT.get(backend) else _checked(family, backend) for backend in COLUMNS]
        lines.append(f"| {family} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _checked(family, backend):
    return cell({o.law: o.outcome for o in testing.check_model(make(family, dim_of(family), backend))})


if __name__ == "__main__":
    pattern = f"{re.escape(MARKS[0])}.*?{re.escape(MARKS[1])}"
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(re.sub(pattern, lambda _: MARKS[0] + table() + MARKS[1], page, flags=re.S), encoding="utf-8")
