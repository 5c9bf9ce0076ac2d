r"""The model file: plain bits, which sixty lines of C or JavaScript read. All numbers are little-endian.

====== ===== =========================================================================================================
byte   type  what
====== ===== =========================================================================================================
0      8 B   magic ``b"HDCBITS\n"``
8      u32   version, 1
12     u32   size of the file in bytes
16     u32   kind of the encoder: 0 signs, 1 density, 2 Fourier
20     u32   features F
24     u32   dim D; words W = ceil(D / 64), bit i of word w is component 64 w + i
28     u32   prototypes P
32     u32   bits of a component B, the heaviest first
36     u32   classes C
40     u32   most: density: D; Fourier: magnitude of a feature; signs: 0
44     u32   Fourier: the bit of the phase; else 0
48     u32   Fourier: bytes of a weight, 1, 2 or 4; else 0
52     u32   what classes are: 0 texts, 1 whole numbers, 2 real numbers, 3 bools
56     u32   bytes of their names N
60     u32   0
64     f64   unit of scores
72           sections, each followed by zeros up to a multiple of 8:
             density and Fourier: low F f64, twice the scale F f64;
             density: thresholds D u32, flips W u64, tie W u64, roles F x W u64;
             Fourier: offsets D u32, weights D x F integers;
             planes P x B x W u64;
             for each prototype: bias i64, factor u32, class u32;
             names of the classes in UTF-8, each ended by a zero byte
end-4  u32   CRC-32 of everything before (as zlib and PNG have it)
====== ===== =========================================================================================================
"""

import os
import struct
import zlib
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hdc.apps.learn.bits.density import Density
from hdc.apps.learn.bits.encoders import MOST_DIM, Encoder, Signs
from hdc.apps.learn.bits.fourier import Fourier
from hdc.apps.learn.bits.planes import BITS
from hdc.checks import array, path, shown, text
from hdc.errors import DTypeError, FileFormatError, HDCError, ParameterError
from hdc.files import replacing
from hdc.words import Words, as_words, word_count

MAGIC = b"HDCBITS\n"
VERSION = 1
KINDS = (Signs, Density, Fourier)
_HEADER = struct.Struct("<8s14Id")
_END = struct.Struct("<I")
_PROTOTYPE = np.dtype([("bias", "<i8"), ("factor", "<u4"), ("owner", "<u4")])
_WIDTHS = {1: "<i1", 2: "<i2", 4: "<i4"}
_TEXT, _WHOLE, _REAL, _BOOL = range(4)
_DTYPES = {_WHOLE: np.int64, _REAL: np.float64, _BOOL: np.bool_}


class Model(NamedTuple):
    """The contents of a file, in the order of :class:`BitClassifier`'s parameters."""

    encoder: Encoder
    planes: Words
    factors: npt.NDArray[np.int64]
    biases: npt.NDArray[np.int64]
    unit: float
    prototype_classes: npt.NDArray[np.int64]
    classes: npt.NDArray[Any]


class _Header(NamedTuple):
    magic: bytes
    version: int
    size: int
    kind: int
    features: int
    dim: int
    prototypes: int
    bits: int
    classes: int
    most: int
    bit: int
    weight_bytes: int
    label: int
    label_bytes: int
    zero: int
    unit: float


def as_classes(classes: Any) -> npt.NDArray[Any]:
    """Return classes as an array of texts, int64, float64 or bools.

    Raises
    ------
    ParameterError, DTypeError
        If they are something else, none, or not all different.
    """
    found = array(classes, "classes")
    if found.ndim != 1 or not len(found):
        raise ParameterError(f"classes must be a list of at least one, not {shown(classes)}")
    if found.dtype.kind == "O":
        if not all(isinstance(one, str) for one in found):
            raise DTypeError("classes must be all texts, or all numbers, and these are of several types")
        found = found.astype(np.str_)
    if found.dtype.kind not in "iufbU" or (found.dtype.kind == "u" and int(found.max()) >= 1 << 63):
        raise DTypeError(f"classes must be texts, 64-bit integers, real numbers or bools, not {found.dtype}")
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise ParameterError("classes must be finite")
    if len(set(found.tolist())) < len(found):
        raise ParameterError("classes must all be different")
    return found.astype({"i": np.int64, "u": np.int64, "f": np.float64}.get(found.dtype.kind, found.dtype))


def write(to: str | os.PathLike[str], model: Model) -> None:
    """Write a file; an existing one is replaced when the new one is complete. See :meth:`BitClassifier.export`."""
    names, label = _names(model.classes)
    rows = np.empty(len(model.planes), _PROTOTYPE)
    rows["bias"], rows["factor"], rows["owner"] = model.biases, model.factors, model.prototype_classes
    sections = [*_tables(model.encoder), model.planes.astype("<u8").tobytes(), rows.tobytes(), names]
    body = b"".join(part + b"\0" * (-len(part) % 8) for part in sections)
    size = _HEADER.size + len(body) + _END.size
    if size >= 1 << 32:
        raise ParameterError(f"a model file has less than 4 GiB, and this one would have {size} bytes")
    encoder, (p, bits, _) = model.encoder, model.planes.shape
    header = _Header(
        MAGIC,
        VERSION,
        size,
        encoder.kind,
        encoder.features,
        encoder.dim,
        p,
        bits,
        len(model.classes),
        encoder.most if isinstance(encoder, Fourier) else encoder.dim if isinstance(encoder, Density) else 0,
        encoder.bit if isinstance(encoder, Fourier) else 0,
        encoder.weights.itemsize if isinstance(encoder, Fourier) else 0,
        label,
        len(names),
        0,
        model.unit,
    )
    whole = _HEADER.pack(*header) + body
    with replacing(to) as file:
        file.write(whole + _END.pack(zlib.crc32(whole)))


def read(source: str | os.PathLike[str]) -> Model:
    """Read a file and check every byte; see :meth:`BitClassifier.load`."""
    with open(path(source), "rb") as file:
        content = file.read()
    try:
        return _parsed(content)
    except HDCError as error:
        raise FileFormatError(f"{os.fspath(source)}: {error}") from None


def _parsed(content: bytes) -> Model:
    if content[:8] != MAGIC:
        raise FileFormatError("this is no model file of BitClassifier.export")
    if len(content) < _HEADER.size + _END.size:
        raise _damaged(f"it has only {len(content)} bytes")
    header = _Header(*_HEADER.unpack_from(content))
    if header.version != VERSION:
        raise FileFormatError(f"version {header.version} is unknown, and this release reads {VERSION}; upgrade")
    if header.size != len(content):
        raise _damaged(f"it has {len(content)} bytes, and its header says {header.size}")
    if _END.unpack_from(content, len(content) - _END.size)[0] != zlib.crc32(content[: -_END.size]):
        raise _damaged("its checksum is another")
    _check(header)
    parts = _Sections(content[_HEADER.size : -_END.size])
    encoder = _encoder(header, parts)
    words = word_count(header.dim)
    planes = parts.array("<u8", header.prototypes, header.bits, words)
    rows = parts.array(_PROTOTYPE, header.prototypes)
    classes = _classes(parts.take(header.label_bytes), header)
    parts.end()
    if rows["owner"].max() >= header.classes or rows["factor"].max() >= 1 << 24 or np.abs(rows["bias"]).max() > 1 << 52:
        raise _damaged("a prototype has no such class, or a factor or bias out of range")
    factors, biases, owners = (rows[name].astype(np.int64) for name in ("factor", "bias", "owner"))
    return Model(encoder, as_words(planes, header.dim, "planes"), factors, biases, header.unit, owners, classes)


def _check(header: _Header) -> None:
    """Raise unless the numbers of a header are possible, before anything is allocated."""
    counts = header.features, header.dim, header.prototypes, header.classes
    if not all(1 <= count <= MOST_DIM for count in counts) or header.bits not in BITS:
        raise _damaged("a number of its header is out of range")
    widths = _WIDTHS if header.kind == Fourier.kind else (0,)
    if header.kind >= len(KINDS) or header.weight_bytes not in widths or header.label > _BOOL or header.zero:
        raise _damaged("its header has an unknown kind")
    if header.kind != Fourier.kind and (header.bit, header.most) != (0, header.dim if header.kind else 0):
        raise _damaged("the numbers of its header do not go together")
    if not (0 < header.unit < float("inf")) or (header.kind == Signs.kind and header.features != header.dim):
        raise _damaged("the numbers of its header do not go together")


class _Sections:
    """The sections of a file, one after another."""

    def __init__(self, body: bytes) -> None:
        self._body, self._at = body, 0

    def take(self, size: int) -> bytes:
        """Return this many bytes, and skip the zeros after them."""
        begin, end = self._at, self._at + size
        self._at = end + -end % 8
        if self._at > len(self._body) or any(self._body[end : self._at]):
            raise _damaged("its sections do not fit its header")
        return self._body[begin:end]

    def array(self, dtype: Any, *shape: int) -> npt.NDArray[Any]:
        """Return an array in native byte order."""
        kind, count = np.dtype(dtype), 1
        for length in shape:
            count *= length
        found = np.frombuffer(self.take(count * kind.itemsize), kind)
        return found.astype(kind.newbyteorder("="), copy=False).reshape(shape)

    def end(self) -> None:
        """Raise if anything is left."""
        if self._at != len(self._body):
            raise _damaged("its sections do not fit its header")


def _encoder(header: _Header, parts: _Sections) -> Encoder:
    features, dim, words = header.features, header.dim, word_count(header.dim)
    if header.kind == Signs.kind:
        return Signs(dim)
    low, scale = parts.array("<f8", features), parts.array("<f8", features) / 2
    if header.kind == Density.kind:
        thresholds, flips, tie = parts.array("<u4", dim), parts.array("<u8", words), parts.array("<u8", words)
        return Density(low, scale, parts.array("<u8", features, words), tie, dim, thresholds, flips)
    offsets, weights = parts.array("<u4", dim), parts.array(_WIDTHS[header.weight_bytes], dim, features)
    return Fourier(low, scale, offsets, weights, header.bit, header.most)


def _tables(encoder: Encoder) -> list[bytes]:
    if isinstance(encoder, Density):
        steps = [encoder.low.astype("<f8").tobytes(), (2 * encoder.scale).astype("<f8").tobytes()]
        words = (part.astype("<u8").tobytes() for part in (encoder.flips, encoder.tie, encoder.roles))
        return [*steps, encoder.thresholds.astype("<u4").tobytes(), *words]
    if isinstance(encoder, Fourier):
        steps = [encoder.low.astype("<f8").tobytes(), (2 * encoder.scale).astype("<f8").tobytes()]
        weights = encoder.weights.astype(_WIDTHS[encoder.weights.itemsize])
        return [*steps, encoder.offsets.astype("<u4").tobytes(), weights.tobytes()]
    return []


def _names(classes: npt.NDArray[Any]) -> tuple[bytes, int]:
    """Return the names of classes, and their type."""
    names = [str(one) for one in classes.tolist()]
    label = {"U": _TEXT, "i": _WHOLE, "f": _REAL, "b": _BOOL}[classes.dtype.kind]
    if any("\0" in text(name, "each of classes") for name in names):
        raise ParameterError("a class is a text with a NUL character, which ends a text in C; rename it")
    return b"".join(name.encode() + b"\0" for name in names), label


def _classes(names: bytes, header: _Header) -> npt.NDArray[Any]:
    parts = names.split(b"\0")
    if len(parts) != header.classes + 1 or parts[-1]:
        raise _damaged("it does not have the names of all classes")
    try:
        read = [part.decode() for part in parts[:-1]]
        if header.label == _TEXT:
            return as_classes(read)
        return as_classes(np.array([_value(name, header.label) for name in read], _DTYPES[header.label]))
    except (ValueError, KeyError, OverflowError, HDCError):
        raise _damaged("a class has no such name") from None


def _value(name: str, label: int) -> Any:
    value: Any = int(name) if label == _WHOLE else float(name) if label == _REAL else name == "True"
    if str(value) != name:
        raise ValueError(name)
    return value


def _damaged(why: str) -> FileFormatError:
    return FileFormatError(f"the file is damaged: {why}; export the model again")
