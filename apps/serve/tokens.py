"""Tokens for reading and changing, which requests send as ``Authorization: Bearer``."""

import hmac
import os
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

from hdc.errors import ParameterError

Access: TypeAlias = Literal["none", "read", "write"]

TOKEN, READ_TOKEN = "HDC_TOKEN", "HDC_READ_TOKEN"
"""Environment variables."""

SHORTEST = 16
"""Fewest characters of a token."""


@dataclass(frozen=True, repr=False)
class Tokens:
    """The tokens of a server.

    Attributes
    ----------
    all : str, optional
        Allows reading and, if indexes are writable, changing.
    read : str, optional
        Allows reading.
    open : bool
        Allow reading without a token.

    Raises
    ------
    ParameterError
        If a token is too short or is not printable ASCII, or nobody could read.
    """

    all: str | None = None
    read: str | None = None
    open: bool = True

    def __post_init__(self) -> None:
        for token in (self.all, self.read):
            if token is not None and (len(token) < SHORTEST or not token.isascii() or not token.isprintable()):
                raise ParameterError(
                    f"a token has at least {SHORTEST} printable ASCII characters; "
                    "make one by python -c 'import secrets; print(secrets.token_urlsafe())'"
                )
        if not self.open and self.all is None and self.read is None:
            raise ParameterError(
                f"a server that others can reach needs a token: set {TOKEN} (or {READ_TOKEN}) in the environment, or "
                "give a file with --token-file"
            )

    @classmethod
    def given(cls, file: str | None, read_file: str | None, *, open: bool) -> Self:
        """Return the tokens in files, or without files in the environment.

        Raises
        ------
        ParameterError
            As in the class.
        OSError
            If a file cannot be read.
        """
        return cls(_of(file, TOKEN), _of(read_file, READ_TOKEN), open)

    def access(self, authorization: bytes) -> Access:
        """Return what a request with this header may do; tokens are compared in constant time."""
        scheme, _, given = authorization.partition(b" ")
        token = given.strip() if scheme.lower() == b"bearer" else b""
        if self.all is not None and hmac.compare_digest(token, self.all.encode()):
            return "write"
        if self.read is not None and hmac.compare_digest(token, self.read.encode()):
            return "read"
        return "read" if self.open and not token else "none"


def _of(file: str | None, variable: str) -> str | None:
    if file is None:
        return os.environ.get(variable) or None
    with open(file, encoding="utf-8") as opened:
        return opened.read(4096).strip()
