r"""The file format: a JSON header and arrays, versioned and checksummed, written to a temporary file and renamed.

Layout, all integers little-endian::

    8 bytes   magic  b"\x89HDCFIL\n"
    4 bytes   format version (1)
    8 bytes   length of the header
    16 bytes  BLAKE2b of everything before this field and of the header
    header    UTF-8 JSON: kind, version of the kind, meta, and for each array name, dtype, shape, offset, bytes, digest
    padding   zeros up to a multiple of 64
    arrays    each at a multiple of 64 from the start of the file, in C order; zeros between them

Every byte is checked: the opening and the header by the header's digest, each array by its own, the padding by being
zero, the end by the length. No pickle, no code, no object arrays.
"""

import contextlib
import hashlib
import io
import json
import math
import mmap as mmaps
import os
import secrets
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import xxhash

from hdc import checks
from hdc.errors import DTypeError, FileFormatError, FileKindError

MAGIC = b"\x89HDCFIL\n"
FORMAT = 1
ALIGN = 64
MOST_AXES = 32
QUICK = "xxh3:"
"""Prefix of digests by XXH3."""
_OPENING = struct.Struct("<8sIQ")
_DIGEST = 16
_START = _OPENING.size + _DIGEST
_DTYPES = ("|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8")

Arrays = dict[str, npt.NDArray[Any]]


def save(
    path: str | os.PathLike[str],
    kind: str,
    meta: Mapping[str, Any],
    arrays: Mapping[str, npt.NDArray[Any]],
    *,
    version: int = 1,
    quick: bool = False,
) -> None:
    """Write a file atomically: after a crash or a power loss, there is the old file or the whole new one.

    Parameters
    ----------
    path : path
        Replaced if it exists.
    kind : str
        Kind of the contents, for instance ``"item-memory"``; :func:`load` asks for it.
    meta : JSON-able mapping
    arrays : mapping of names to arrays of bools, integers or floats
    version : int
        Of this kind's contents.
    quick : bool
        Whether to digest arrays by XXH3, twenty times as fast as BLAKE2b: for large data that can be made again.

    Raises
    ------
    DTypeError
        If an array has another dtype.
    OSError
        If the file cannot be written; an existing file is then untouched.
    """
    with replacing(path) as file:
        for piece in _pieces(kind, meta, arrays, version, quick):
            file.write(piece)


def pack(
    kind: str,
    meta: Mapping[str, Any],
    arrays: Mapping[str, npt.NDArray[Any]],
    *,
    version: int = 1,
    quick: bool = False,
) -> bytes:
    """Return the bytes that :func:`save` writes, for data to send rather than store; raises as :func:`save` does.

    Examples
    --------
    >>> from hdc import files
    >>> files.unpack(files.pack("note", {"text": "hello"}, {}), "note")
    ({'text': 'hello'}, {})
    """
    return b"".join(_pieces(kind, meta, arrays, version, quick))


def _pieces(
    kind: str, meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]], version: int, quick: bool
) -> Iterator[Any]:
    plain = {name: _plain(name, array) for name, array in arrays.items()}
    yield _header(kind, version, meta, plain, QUICK if quick else "")
    for array in plain.values():
        yield _raw(array)
        yield b"\0" * _gap(array.nbytes)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file to write, which takes the place of ``path`` at the end of the block, synced, or after an error goes.

    Raises
    ------
    OSError
        If the file cannot be written; an existing file is then untouched.
    """
    target = checks.path(path)
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(aside, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, target)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise
    with contextlib.suppress(OSError):
        sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can open one.

    Raises
    ------
    OSError
        If the disk fails.
    """
    with contextlib.suppress(PermissionError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def load(
    path: str | os.PathLike[str], kind: str, *, version: int = 1, mmap: bool = False
) -> tuple[dict[str, Any], Arrays]:
    """Read a file written by :func:`save`, checking every byte.

    Parameters
    ----------
    path : path
    kind : str
        Expected kind of the contents.
    version : int
        The newest version of the kind that the caller reads.
    mmap : bool
        Map the arrays read-only instead of reading them into memory. They are checked all the same.

    Returns
    -------
    meta : dict
    arrays : dict of arrays

    Raises
    ------
    FileFormatError
        If the file is not of this format, kind or version, is cut short, or a byte was changed.
    OSError
        If it cannot be read.
    """
    mmap = checks.flag(mmap, "mmap")
    with open(checks.path(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        header, end = _read_header(file.read(min(size, _START)), file, path, size)
    _check_kind(header, kind, version, path)
    if mmap:
        content: npt.NDArray[np.uint8] = np.memmap(path, dtype=np.uint8, mode="r")
        in_large_pages(content.base)
    else:
        content = np.fromfile(path, dtype=np.uint8)
    return _read_all(header, content, end, path)


def in_large_pages(mapped: Any) -> None:
    """Ask for large pages for a mapped file (``mmap.mmap``) that will be read as a whole, before it is.

    Random reads then need fewer page table entries, which miss less often. Linux reads 2 MiB at a time for it, from
    kernel 6.16 on with ext4, and with xfs before. Elsewhere this does nothing.
    """
    if hasattr(mmaps, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # a kernel without large pages
            mapped.madvise(mmaps.MADV_HUGEPAGE)


def unpack(data: bytes, kind: str, *, version: int = 1, name: str = "what was sent") -> tuple[dict[str, Any], Arrays]:
    """Read bytes that :func:`pack` or :func:`save` made, checking every one.

    Parameters
    ----------
    data : bytes
    kind, version
        As for :func:`load`.
    name : str
        What errors call the bytes.

    Returns
    -------
    meta : dict
    arrays : dict of arrays
        Read-only: they lie in ``data``.

    Raises
    ------
    FileFormatError
        As :func:`load`.
    """
    stream = io.BytesIO(checks.instance(data, "data", bytes))
    header, end = _read_header(stream.read(_START), stream, name, len(data))
    _check_kind(header, kind, version, name)
    return _read_all(header, np.frombuffer(data, np.uint8), end, name)


def _check_kind(header: Mapping[str, Any], kind: str, version: int, path: Any) -> None:
    if header["kind"] != checks.text(kind, "kind"):
        raise FileKindError(f"{path} is a file of kind {header['kind']!r}; expected {kind!r}")
    if header["version"] > checks.integer(version, "version", 1):
        raise FileFormatError(
            f"{path} was written as version {header['version']} of {kind!r}, and this release reads up to {version}; "
            "upgrade hdc-toolkit"
        )


def _read_all(
    header: Mapping[str, Any], content: npt.NDArray[np.uint8], end: int, path: Any
) -> tuple[dict[str, Any], Arrays]:
    arrays: Arrays = {}
    for entry in header["arrays"]:
        arrays[entry["name"]], end = _read_array(content, entry, end, path)
    if end != len(content):
        raise _damaged(path, f"it has {len(content) - end:+d} bytes against what its header says")
    return header["meta"], arrays


def _plain(name: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    little = np.asarray(array).astype(np.asarray(array).dtype.newbyteorder("<"), order="C", copy=False)
    little = np.ascontiguousarray(little).reshape(np.shape(array))
    if little.dtype.str not in _DTYPES:
        raise DTypeError(f"array {name!r} has dtype {little.dtype}, and files hold only {', '.join(_DTYPES)}")
    return little


def _gap(length: int) -> int:
    return -length % ALIGN


def _digest(*parts: Any) -> bytes:
    hasher = hashlib.blake2b(digest_size=_DIGEST)
    for part in parts:
        hasher.update(part)
    return hasher.digest()


def _raw(array: npt.NDArray[Any]) -> Any:
    return array.reshape(-1).view(np.uint8).data


def _array_digest(raw: Any, how: str) -> str:
    return how + xxhash.xxh3_128_hexdigest(raw) if how == QUICK else _digest(raw).hex()


def _header(kind: str, version: int, meta: Mapping[str, Any], arrays: Arrays, how: str) -> bytes:
    entries = [
        {
            "name": name,
            "dtype": array.dtype.str,
            "shape": array.shape,
            "bytes": array.nbytes,
            "digest": _array_digest(_raw(array), how),
        }
        for name, array in arrays.items()
    ]
    text = json.dumps({"kind": kind, "version": version, "meta": meta, "arrays": entries}, allow_nan=False).encode()
    opening = _OPENING.pack(MAGIC, FORMAT, len(text))
    whole = opening + _digest(opening, text) + text
    return whole + b"\0" * _gap(len(whole))


def _damaged(path: Any, why: str) -> FileFormatError:
    return FileFormatError(f"{path} is damaged: {why}; restore it from a copy or build it again")


def _read_header(opening: bytes, file: Any, path: Any, size: int) -> tuple[dict[str, Any], int]:
    if opening[: len(MAGIC)] != MAGIC:
        raise FileFormatError(f"{path} is not a file of this package (or its first bytes are damaged)")
    if len(opening) < _START:
        raise _damaged(path, f"it ends after {size} bytes")
    _, written, length = _OPENING.unpack(opening[: _OPENING.size])
    if length > size - _START:
        raise _damaged(path, f"it ends after {size} bytes, inside its header")
    text = file.read(length)
    if _digest(opening[: _OPENING.size], text) != opening[_OPENING.size :]:
        raise _damaged(path, "its header does not match its checksum")
    if written != FORMAT:
        raise FileFormatError(f"{path} has format {written}, and this release reads {FORMAT}; upgrade hdc-toolkit")
    end = _START + length
    if any(file.read(_gap(end))):
        raise _damaged(path, "the padding after its header is not zero")
    return _checked_header(text, path), end + _gap(end)


def _checked_header(text: bytes, path: Any) -> dict[str, Any]:
    """Check a header against what :func:`save` writes: it may be crafted by hand, with a right checksum."""
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"its header is no JSON ({error})") from None
    kinds = {"kind": str, "version": int, "meta": dict, "arrays": list}
    entries = {"name": str, "dtype": str, "shape": list, "bytes": int, "digest": str}
    if not _is_of(header, kinds) or not all(_is_of(entry, entries) for entry in header["arrays"]):
        raise _damaged(path, "its header lacks what every file has")
    for shape in (entry["shape"] for entry in header["arrays"]):
        if len(shape) > MOST_AXES or not all(type(side) is int and side < 1 << 48 for side in shape):
            raise _damaged(path, "a shape in its header is none")
    if len({entry["name"] for entry in header["arrays"]}) != len(header["arrays"]):
        raise _damaged(path, "two of its arrays have one name")
    checked: dict[str, Any] = header
    return checked


def _is_of(value: Any, kinds: Mapping[str, type]) -> bool:
    """Return whether a value is an object with these items, each of its type."""
    return isinstance(value, dict) and all(type(value.get(name)) is kind for name, kind in kinds.items())


def _read_array(
    content: npt.NDArray[np.uint8], entry: dict[str, Any], start: int, path: Any
) -> tuple[npt.NDArray[Any], int]:
    shape, itemsize = entry["shape"], np.dtype(entry["dtype"]).itemsize if entry["dtype"] in _DTYPES else 0
    if not itemsize or min(shape, default=0) < 0 or math.prod(shape) * itemsize != entry["bytes"]:
        raise _damaged(path, f"array {entry['name']!r} has a dtype or shape that its length contradicts")
    stop, end = start + entry["bytes"], start + entry["bytes"] + _gap(entry["bytes"])
    if end > len(content):
        raise _damaged(path, f"it ends inside array {entry['name']!r}")
    raw = content[start:stop]
    how = QUICK if entry["digest"].startswith(QUICK) else ""
    if _array_digest(raw.data, how) != entry["digest"] or content[stop:end].any():
        raise _damaged(path, f"array {entry['name']!r} does not match its checksum")
    dtype = np.dtype(entry["dtype"])
    return raw.view(dtype).astype(dtype.newbyteorder("="), copy=False).reshape(entry["shape"]), end
