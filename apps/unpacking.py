"""Streams that unpack what is read from them: gzip and zstd, told by their first bytes."""

import gzip
import io
import zlib
from typing import Any

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

WINDOW = 1 << 27
"""Bytes that zstd may look back, which unpacking needs as memory. The zstd command has the same limit."""

READ_ERRORS: tuple[type[Exception], ...] = (OSError, EOFError, zlib.error)
"""What a damaged file raises while it is read."""

_FEED = 512  # so little that even an archive made to explode unpacks to 16 MiB at a time at most


def unpacker(stream: io.BufferedReader) -> Any:
    """Return a raw stream that unpacks another, or None if that is not packed.

    Raises
    ------
    ImportError
        If it is packed by zstd and the package ``zstandard`` is missing.
    """
    magic = stream.peek(4)[:4]
    if magic[:2] == GZIP_MAGIC:
        return gzip.GzipFile(fileobj=stream)
    return Zstd(stream) if magic == ZSTD_MAGIC else None


class Zstd(io.RawIOBase):
    """Unpack zstd frames; a frame that is cut short is an error, which the package's own reader keeps quiet about."""

    def __init__(self, stream: io.BufferedReader) -> None:
        import zstandard

        self._unpacker = zstandard.ZstdDecompressor(max_window_size=WINDOW)
        self._error = zstandard.ZstdError
        self._stream = stream
        self._frame: Any = None
        self._unpacked = memoryview(b"")

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, with what there is."""
        while not self._unpacked and self._next():
            pass
        part = self._unpacked[: len(buffer)]
        buffer[: len(part)] = part
        self._unpacked = self._unpacked[len(part) :]
        return len(part)

    def _next(self) -> bool:
        """Unpack a little more; False at the end."""
        packed = self._frame.unused_data if self._frame and self._frame.eof else b""
        if not packed:
            packed = self._stream.read(_FEED)
        if not packed and (self._frame is None or self._frame.eof):
            return False
        if not packed:
            raise EOFError("Compressed file ended before the end of its last frame")
        if self._frame is None or self._frame.eof:
            self._frame = self._unpacker.decompressobj()
        try:
            self._unpacked = memoryview(self._frame.decompress(packed))
        except self._error as error:
            if "memory" in str(error):
                raise OSError(f"its zstd window is above {WINDOW >> 20} MiB; pack it without --long") from None
            raise OSError(f"damaged zstd data: {error}") from None
        return True
