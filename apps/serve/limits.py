"""What one client may ask of a server."""

import os
from dataclasses import dataclass, fields

from hdc import checks
from hdc.errors import ParameterError

PROCESSORS = os.cpu_count() or 1


@dataclass(frozen=True)
class Limits:
    """Bounds of requests; beyond one, the server refuses with a status that says which.

    Attributes
    ----------
    body_bytes : int
        Of a request's body; else 413.
    depth : int
        Levels of arrays and objects in a body, 256 at most; else 422.
    k : int
        Hits per query, and rows per page of a filter; else 422.
    batch : int
        Queries of a batch, and documents of one change; else 413.
    seconds : float
        Time of a request; a client may ask for less. Else 504.
    threads : int
        Searches that run at once.
    waiting : int
        Requests that wait for a thread; else 429.
    connections : int
        Open at once; else 503.
    header_bytes : int
        Of request line and headers; else 431.
    read_seconds : float
        Within which a client must have sent headers and body; else its connection is closed.
    write_seconds : float
        For which a client may read nothing of its answer; else its connection is closed.
    idle_seconds : float
        For which a connection may be open between two requests.

    Raises
    ------
    ParameterError
        If one is less than it can be.
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
