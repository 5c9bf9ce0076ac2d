"""Tasks: ``nox -l`` lists them, ``nox -s docs`` runs one (``pip install nox``)."""

import nox

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "spelling", "links", "tests"]

PINNED = ("-c", "constraints.txt")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; arguments go to pytest: ``nox -s tests -- -m "not slow" tests/test_laws.py``."""
    session.install(*PINNED, "-e", ".[test]")
    session.run("pytest", "-q", "-n", "auto", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check lint, format and types."""
    session.install(*PINNED, ".[dev,test]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site into build/site, with warnings as errors."""
    session.install(*PINNED, "-e", ".[docs]")
    session.run("sphinx-build", "-W", "--keep-going", "-q", "docs", "build/site", *session.posargs)


@nox.session
def spelling(session: nox.Session) -> None:
    """Check the spelling of prose and code: typing errors, and American spelling."""
    session.install(*PINNED, ".[dev]")
    session.run("codespell", *session.posargs)


@nox.session
def links(session: nox.Session) -> None:
    """Check that relative links in Markdown files lead to files and headings."""
    session.install(*PINNED, "-e", ".[test]")
    session.run("pytest", "-q", "tests/test_docs_links.py")


@nox.session
def coverage(session: nox.Session) -> None:
    """Measure coverage of everything but compiled kernels; arguments go to pytest."""
    session.install(*PINNED, "-e", ".[dev,test]")
    session.run("pytest", "-q", "-n", "auto", "-m", "not slow", "--cov", *session.posargs)


@nox.session
def api(session: nox.Session) -> None:
    """Let Schemathesis send what the description of a server allows and what it does not, and follow its links."""
    session.install(*PINNED, "-e", ".[test]", "schemathesis>=4.32")
    session.run("pytest", "-q", "tests/test_serve_schema.py", *session.posargs)


@nox.session
def a11y(session: nox.Session) -> None:
    """Let axe-core look at every view of the page for violations of WCAG 2.2 A and AA; needs Chromium in the path."""
    session.install(*PINNED, "-e", ".[test,browser]", "axe-playwright-python>=0.1.7")
    session.run("pytest", "-q", "tests/test_explorer_axe.py", *session.posargs)
