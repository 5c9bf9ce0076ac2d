"""Texts of documents, compressed by Zstandard with a dictionary of what they have in common."""

import base64
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import zstandard

from hdc.errors import FileFormatError

LEVEL = 3

FEWEST = 128
"""Fewest documents to learn a dictionary from."""

DICTIONARY_BYTES = 1 << 15

MOST_BYTES = 1 << 31
"""Most bytes of a text; a larger stated size means that it is damaged."""

_MAGIC = zstandard.FRAME_HEADER
"""First bytes of compressed texts, which no JSON starts with."""

NAME, CODEC = "texts", "zstd"


@dataclass(frozen=True, eq=False)
class Texts:
    """Packs and unpacks texts.

    Attributes
    ----------
    dictionary : bytes
        Empty if there is none.
    """

    dictionary: bytes = b""

    @cached_property
    def _held(self) -> zstandard.ZstdCompressionDict | None:
        if not self.dictionary:
            return None
        held = zstandard.ZstdCompressionDict(self.dictionary)
        held.precompute_compress(level=LEVEL)
        return held

    @cached_property
    def _local(self) -> threading.local:
        return threading.local()

    @classmethod
    def of(cls, meta: dict[str, Any]) -> Self:
        """Return the codec in an index's meta; plain texts of older indexes are read, too.

        Raises
        ------
        FileFormatError
            If it says something else.
        """
        said = meta.get(NAME, {})
        try:
            texts = cls(base64.b64decode(said.get("dictionary", ""), validate=True))
            _ = texts._held  # raises if it is not JSON
            return texts
        except (AttributeError, TypeError, ValueError, zstandard.ZstdError) as error:
            raise FileFormatError(f"the dictionary of the index's texts is none ({error}); build it again") from error

    def meta(self) -> dict[str, str]:
        """Return what :meth:`of` reads."""
        return {"codec": CODEC, "dictionary": base64.b64encode(self.dictionary).decode()}

    def learned(self, texts: Sequence[bytes]) -> Self | None:
        """Return what packs such texts well; None where that cannot be learned from so few."""
        if self.dictionary or len(texts) < FEWEST:
            return None
        try:
            return type(self)(zstandard.train_dictionary(DICTIONARY_BYTES, list(texts)).as_bytes())
        except zstandard.ZstdError:
            return None

    def packed(self, texts: Iterable[bytes]) -> list[bytes]:
        """Return texts packed."""
        pack = zstandard.ZstdCompressor(level=LEVEL, dict_data=self._held).compress
        return [pack(text) for text in texts]

    def unpacked(self, text: bytes) -> bytes:
        """Return a text as it was.

        Raises
        ------
        FileFormatError
            If it is damaged.
        """
        if not text.startswith(_MAGIC):
            return text
        local = self._local
        if not hasattr(local, "unpack"):
            local.unpack = zstandard.ZstdDecompressor(dict_data=self._held).decompress
        try:
            size = zstandard.frame_content_size(text)
            if not 0 <= size < MOST_BYTES:
                raise FileFormatError(f"a document says that it has {size} bytes; the index is damaged")
            found: bytes = local.unpack(text)
            return found
        except zstandard.ZstdError as error:
            raise FileFormatError(f"a document cannot be unpacked ({error}); the index is damaged") from error
