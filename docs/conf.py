"""Settings of the documentation site: ``sphinx-build -W --keep-going docs build/site`` (extra ``docs``).

The site executes nothing and fetches nothing: examples are run by ``tests/test_docs.py``.
"""

import re
from pathlib import Path, PurePosixPath

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
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["figures"]
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


def setup(app: object) -> None:
    """Connect the function above; Sphinx calls this."""
    app.connect("source-read", _read_from_outside)  # type: ignore[attr-defined]
