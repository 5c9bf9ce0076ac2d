"""The model, the backend and the application of docs/guides/extending.md run as they are printed there."""

import os
import re
import subprocess
import sys

import pytest

from tests.test_docs import ROOT

PAGE = (ROOT / "docs" / "guides" / "extending.md").read_text(encoding="utf-8")
FILES = ("signs.py", "mine.py", "alike/__init__.py", "alike/command.py")
"""Where the page says to save its blocks of Python, in order."""


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.S | re.M)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Save what the page shows as a package that is installed: modules beside a folder of entry points."""
    folder = tmp_path_factory.mktemp("extending")
    for name, text in zip(FILES, blocks("python"), strict=True):
        assert f"`{name}`" in PAGE
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    info = folder / "extension-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: extension\nVersion: 1.0\n", encoding="utf-8")
    points = re.sub(r'project\.entry-points\."(.*?)"', r"\1", "\n".join(blocks("toml"))).replace('"', "")
    (info / "entry_points.txt").write_text(points, encoding="utf-8")
    (folder / "poem.txt").write_text("two roads diverged\nin a yellow wood\nand sorry I could not\n", encoding="utf-8")
    return folder


def run(package, command):
    path = os.pathsep.join([str(package), str(ROOT)])
    shown = command.replace("python ", f"{sys.executable} ", 1)
    done = subprocess.run(
        shown, shell=True, cwd=package, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("number", [0, 1], ids=["model", "backend"])
def test_check(package, number):
    run(package, blocks("sh")[number])


def test_registered(package):
    shown = run(package, "python -c \"import hdc; print(hdc.create('Signs', 100, backend='mine'))\"")
    assert "Signs(dim=100, seed=0, backend='mine'" in shown


def test_application(package):
    assert re.fullmatch(r"0\.\d{3}  two roads diverged\n", run(package, blocks("sh")[2]))


def test_a_broken_model_is_found(package):
    command = (
        'python -c "import hdc.testing, signs; signs.Signs.unbind = lambda self, role, y: y; '
        "hdc.testing.check_model(hdc.create('Signs', 500))\""
    )
    with pytest.raises(AssertionError, match="LawError: law 'inverse' is broken"):
        run(package, command)
