"""Settings of the documentation site: ``sphinx-build -W --keep-going docs build/site`` (extra ``docs``).

The site executes nothing and fetches nothing: examples are run by ``tests/test_docs.py``.
"""

import re
from pathlib import Path, PurePosixPath
from typing import Any

import hdc

project = "hdc"
author = "the authors of hdc"
copyright = "2026, the authors of hdc"
release = version = hdc.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_argparse_cli",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["figures", "_templates"]
templates_path = ["_templates"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist"]

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = "hdc"
html_theme_options = {
    "show_toc_level": 2,
    "navigation_depth": 3,
    "header_links_before_dropdown": 6,
    "show_version_warning_banner": False,
}
html_sidebars = {page: [] for page in ("gallery", "glossary", "contributing", "changelog")}  # of no section
html_show_sourcelink = False
html_copy_source = False

ROOT = Path(__file__).parent.parent
FROM_OUTSIDE = {
    "contributing": "CONTRIBUTING.md",
    "changelog": "CHANGELOG.md",
    "reference/operations": "backends/numba_kernels/README.md",
}
"""Pages whose text is a file outside ``docs``."""


def _read_from_outside(_app: object, page: str, text: list[str]) -> None:
    """Fetch the text of pages from outside ``docs``, and lead links to such files to those pages."""
    here = PurePosixPath("docs") / page
    if page in FROM_OUTSIDE:
        here = PurePosixPath(FROM_OUTSIDE[page])
        text[0] = (ROOT / here).read_text(encoding="utf-8")
    pages = {outside: f"docs/{page}.md" for page, outside in FROM_OUTSIDE.items()}

    def on_site(link: re.Match[str]) -> str:
        target = (ROOT / here.parent / link[1]).resolve().relative_to(ROOT).as_posix()
        target = pages.get(target, target)
        return f"](/{target.removeprefix('docs/')}" if target.startswith("docs/") else link[0]

    text[0] = re.sub(r"\]\(([\w./-]+\.md)", on_site, text[0])


def _readable(_app: object, _what: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    """Join shapes that go over several lines, and escape the stars in shapes such as ``(*p, storage)``."""
    text, more = "\n".join(lines), 1
    while more:
        text, more = re.subn(r"^( *)(\w+ : .*)\n\1 {5,}(\S.*)$", r"\1\2 \3", text, flags=re.M)
    shapes = re.compile(r"^(?! *>>>)[^`\n]*\((?:[^`\n]*, )?\*[^`\n]*$", flags=re.M)
    lines[:] = shapes.sub(lambda line: re.sub(r"(?<=[(, ])\*(?=\w)", r"\\*", line[0]), text).split("\n")


def _of_scikit_learn(
    _app: object, _what: str, name: str, _object: object, _skip: bool, _options: object
) -> bool | None:
    """Leave out the methods that scikit-learn adds to every estimator for metadata routing."""
    return True if name.endswith("_request") or name == "get_metadata_routing" else None


def setup(app: Any) -> None:
    """Connect the functions above; Sphinx calls this."""
    app.connect("source-read", _read_from_outside)
    app.connect("autodoc-process-docstring", _readable, priority=400)
    app.connect("autodoc-skip-member", _of_scikit_learn)
