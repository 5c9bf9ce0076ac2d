"""Everything shown in the README and the docs runs and prints what is shown.

``>>>`` examples run as doctests, one namespace a page. In ``console`` blocks each ``$`` line runs in one temporary
folder a page (``hdc`` in this process, anything else in a shell), and the lines below it, if any, are what it prints
(``...`` matches anything). The two ``sh`` lines of the README are what ``.ci/run`` executes.
"""

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hdc.apps.cli import main
from tests.models import NO_TORCH

ROOT = Path(__file__).parent.parent
KERNELS = ROOT / "backends" / "numba_kernels" / "README.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", KERNELS, *sorted((ROOT / "docs").rglob("*.md"))]
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
"""``python`` in a shell is the one that runs the tests."""

NEEDS = {
    "agents": ("mcp", "fastapi"),
    "cluster": ("distributed",),
    "engines": ("duckdb", "lancedb"),
    "engines_formats": ("faiss", "pyarrow", "usearch", "qdrant_client"),
    "stores": ("langchain_core", "llama_index.core"),
}
"""Libraries of extras that the examples of a page use."""

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def by_page(*slow):
    """Return one case for each page; the pages that compute much are marked."""
    return [
        pytest.param(p, id=p.relative_to(ROOT).as_posix(), marks=[pytest.mark.slow] if p.name in slow else [])
        for p in PAGES
    ]


@pytest.mark.parametrize("page", by_page("json_tutorial.md", "learning.md", "learning_stream.md", "retrieval.md"))
def test_python_examples(page, tmp_path, monkeypatch):
    if page.stem == "torch" and NO_TORCH:
        pytest.skip(NO_TORCH)
    for library in NEEDS.get(page.stem, ()):
        pytest.importorskip(library, reason=f"{library} is not installed", exc_type=ImportError)
    monkeypatch.chdir(tmp_path)
    failed, _ = doctest.testfile(str(page), module_relative=False, optionflags=FLAGS, encoding="utf-8")
    assert failed == 0


def console_commands(page):
    for block in re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
        yield from re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.M)


@pytest.mark.parametrize(
    "page",
    by_page(
        "capacity.md",
        "cluster.md",
        "embeddings_large.md",
        "json_tutorial.md",
        "learning.md",
        "learning_stream.md",
        "retrieval.md",
    ),
)
def test_console_examples(page, tmp_path, monkeypatch, capsys):
    if page.stem == "cluster":
        pytest.importorskip("distributed", reason="needs Dask")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")  # hits are cut to the width of the terminal
    for command, expected in console_commands(page):
        words = shlex.split(command)
        if words[0] == "hdc":
            assert main(words[1:]) == 0, f"{page.name}: {command!r} failed: {capsys.readouterr().err}"
        else:
            subprocess.run(command, shell=True, check=True, env={**os.environ, "PATH": PATH})
        shown = capsys.readouterr().out
        if expected.strip():
            assert doctest.OutputChecker().check_output(expected, shown, FLAGS), f"$ {command}\n{shown}"


def test_ci_runs_the_readme_commands():
    script = (ROOT / ".ci" / "run").read_text()
    shell = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert len(shell) == 2
    assert "README.md" in script
    for block in shell:
        assert len(block.strip().splitlines()) == 1
