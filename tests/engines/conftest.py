"""Engines that run for as long as the tests; what is not installed is skipped, and the reason says what to install."""

import pytest

from tests.benchmarks import module

SERVERS = module("engine_servers")
CASES = module("engine_cases")


def started(name):
    """Yield a running engine."""
    try:
        with CASES.ENGINES[name]() as running:
            yield running
    except CASES.AbsentError as absent:
        pytest.skip(str(absent))


@pytest.fixture(scope="session", params=CASES.ENGINES)
def engine(request):
    yield from started(request.param)


@pytest.fixture(scope="session", params=["debian", "pgvector"])
def server(request):
    """Yield what connects to a PostgreSQL; "vector" can be created in the second one."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    programs = {"debian": SERVERS.debian_programs, "pgvector": SERVERS.pgvector_programs}[request.param]()
    if isinstance(programs, str):
        pytest.skip(programs)
    with SERVERS.cluster(programs) as address:
        yield address
