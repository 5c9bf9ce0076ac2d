"""Limits on the requests of a client."""

import os
from dataclasses import dataclass, fields

from hdc import checks
from hdc.errors import ParameterError

PROCESSORS = os.cpu_count() or 1


@dataclass(frozen=True)
class Limits:
    """Limits on requests. The server rejects a request beyond a limit with the status given here.

    Attributes
    ----------
    body_bytes : int
        Most bytes of a request's body (413).
    depth : int
        Most levels of arrays and objects in a body (422); at most 256.
    k : int
        Most hits per query, and rows per page of a filter (422).
    batch : int
        Most queries per batch, and documents per change (413).
    seconds : float
        Time limit of a request (504); a client may ask for less.
    threads : int
        Searches that run in parallel.
    waiting : int
        Most requests that wait for a thread (429).
    connections : int
        Most open connections (503).
    header_bytes : int
        Most bytes of request line and headers (431).
    read_seconds : float
        Time limit to send headers and body; then the connection is closed.
    write_seconds : float
        Time limit for a client that does not read its response; then the connection is closed.
    idle_seconds : float
        Time limit of an idle connection between two requests.

    Raises
    ------
    ParameterError
        If a limit is out of range.
    """

    body_bytes: int = 1 << 20
    depth: int = 64
    k: int = 1000
    batch: int = 100
    seconds: float = 10.0
    threads: int = max(2, min(PROCESSORS, 32))
    waiting: int = 128
    connections: int = 1000
    header_bytes: int = 16 << 10
    read_seconds: float = 10.0
    write_seconds: float = 20.0
    idle_seconds: float = 30.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is float:
                if checks.number(value, field.name, 0) == 0:
                    raise ParameterError(f"{field.name} must be a number above 0, not {value!r}")
            else:
                checks.integer(value, field.name, 1, 256 if field.name == "depth" else None)
