"""Every relative link in the Markdown files of this repository leads to a file, and to a heading of it."""

import re
from pathlib import Path

import pytest

from tests.test_docs import PAGES, ROOT

FILES = [*PAGES, ROOT / "CHANGELOG.md"]


def prose(page):
    """Return the text of a page without its blocks of code."""
    return re.sub(r"^( *)```.*?^\1```$", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)


def anchors(page):
    """Return what the headings of a page are called in links, as on the usual forges."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page):
    """Return the relative links of a page that lead nowhere."""
    found = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        to = (page.parent / name).resolve() if name else page
        if not to.exists() or (anchor and to.suffix == ".md" and anchor not in anchors(to)):
            found.append(target)
    return found


@pytest.mark.parametrize("page", FILES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links(page):
    assert broken(page) == []


def test_broken_links_are_found(tmp_path):
    page: Path = tmp_path / "page.md"
    page.write_text("# A `b`-c\n\n[1](#a-b-c) [2](#d) [3](no.md) [4](page.md#e) [5](https://x.org/no.md)\n", "utf-8")
    assert broken(page) == ["#d", "no.md", "page.md#e"]
