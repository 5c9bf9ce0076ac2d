"""Limits on what is read: the size of a document, and the unpacked size of a compressed file."""

from dataclasses import dataclass

from hdc.checks import integer

FREELY = 1 << 30
"""Bytes that any compressed file may unpack to, even a small one."""

KEYS_BYTES = 1 << 30
"""Most bytes of the keys of one object on the way to the documents; they are stored to find repeated keys."""

KEY_BYTES = 128
"""Bytes of a key besides its characters: a str, and its place in a set."""


@dataclass(frozen=True)
class Limits:
    """How much is read before a hostile or damaged file is rejected.

    A parsed document takes up to 30 times its text in memory, so the default keeps a document below 2 GiB.

    Attributes
    ----------
    document_bytes : int
        Most bytes of the text of one document: a line, an item of an array, a value of an object, or a whole file that
        is none of these. It also limits one value that is read on the way to documents.
    ratio : int
        A compressed file may unpack to this many times its size, and any to ``FREELY``. Deflate cannot exceed 1032.

    Raises
    ------
    ParameterError
        If one is not an integer of at least 1.
    """

    document_bytes: int = 64 << 20
    ratio: int = 250

    def __post_init__(self) -> None:
        integer(self.document_bytes, "document_bytes", 1)
        integer(self.ratio, "ratio", 1)

    @property
    def too_long(self) -> str:
        """The reason for refusing a document."""
        return (
            f"a document of more than {self.document_bytes:,} bytes; if it is meant to be so long, raise "
            "--max-document-bytes, or document_bytes of limits=Limits(...)"
        )

    @property
    def too_large(self) -> str:
        """The reason for refusing a packed file."""
        return (
            f"it unpacks to more than {self.ratio} times its size; if it is meant to be so large, raise --max-ratio, "
            "or ratio of limits=Limits(...)"
        )


LIMITS = Limits()
"""Default limits."""
