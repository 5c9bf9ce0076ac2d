"""A disk as it may look after a power loss: what was synced is there, of the rest any part.

The calls that :mod:`crash_shim` recorded are played on simulated files. A file's writes and cuts, and a folder's
names, are pending until that file or folder is synced. After a power loss every pending change is there or not,
independently of the others, and a pending write sector by sector: an unwritten sector has its old bytes, or zeros
beyond the old end. A sync that failed drops what was pending, as Linux does: later syncs do not bring it back.
"""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

MARK, CREATE, WRITE, SYNC, TRUNCATE, RENAME, UNLINK, MKDIR, RMDIR, SYNC_FAILED = range(10)
NAMES = ["mark", "create", "write", "sync", "truncate", "rename", "unlink", "mkdir", "rmdir", "failed sync"]
RECORD = struct.Struct("<IIIIqq")

SECTOR = 512

Tree = dict[str, bytes | None]
"""Contents of files by path; None for a folder."""


@dataclass(frozen=True)
class Call:
    """The recorded call of a point; ``path`` is below the root, "" the root itself; ``offset`` numbers a mark."""

    point: int
    op: int
    path: str
    other: str
    offset: int
    data: bytes

    def __str__(self) -> str:
        return f"{NAMES[self.op]} {self.path}{f' to {self.other}' if self.other else ''}"


def mark(number: int) -> Call:
    """Return the call that marks a state as acknowledged."""
    return Call(-1, MARK, "", "", number, b"")


def read_calls(path: Path, root: Path) -> list[Call]:
    """Read the log of the shim."""
    calls, log, start = [], path.read_bytes(), 0
    while start < len(log):
        op, length, other_length, point, offset, size = RECORD.unpack_from(log, start)
        start += RECORD.size
        names = []
        for name_length in (length, other_length):
            name = log[start : start + name_length].decode()
            names.append(name.removeprefix(str(root)).removeprefix("/"))
            start += name_length
        size = size if op == WRITE else 0
        calls.append(Call(point, op, *names, offset, log[start : start + size]))
        start += size
    return calls


@dataclass(frozen=True, eq=False)
class Change:
    """What a file or folder may have of a call.

    Bytes written at an offset, or a cut to that length (``data`` is None), or names set or dropped (None) at once.
    """

    number: int
    offset: int = 0
    data: bytes | None = None
    names: "dict[str, File | Folder | None]" = field(default_factory=dict)


@dataclass(eq=False)
class File:
    """Bytes that the disk has, bytes that the system shows, and changes that the disk may have."""

    kept: bytearray = field(default_factory=bytearray)
    cached: bytearray = field(default_factory=bytearray)
    pending: list[Change] = field(default_factory=list)

    def change(self, change: Change) -> None:
        """Show a change; the disk has it after the next sync."""
        self.pending.append(change)
        _apply(self.cached, change)

    def sync(self) -> None:
        """Bring every pending change to the disk."""
        for change in self.pending:
            _apply(self.kept, change)
        self.pending.clear()


@dataclass(eq=False)
class Folder:
    """Names, as :class:`File`."""

    kept: "dict[str, File | Folder]" = field(default_factory=dict)
    cached: "dict[str, File | Folder]" = field(default_factory=dict)
    pending: list[Change] = field(default_factory=list)

    def change(self, change: Change) -> None:
        """Show a change; the disk has it after the next sync."""
        self.pending.append(change)
        _set(self.cached, change)

    def sync(self) -> None:
        """Bring every pending change to the disk."""
        for change in self.pending:
            _set(self.kept, change)
        self.pending.clear()


def _set(entries: "dict[str, File | Folder]", change: Change) -> None:
    for name, node in change.names.items():
        if node is None:
            entries.pop(name, None)
        else:
            entries[name] = node


def _apply(content: bytearray, change: Change, sectors: list[bool] | None = None) -> None:
    """Write or cut; with ``sectors``, write only those, and zeros for the others where the file was shorter."""
    offset, data = change.offset, change.data
    if data is None:
        if len(content) < offset:
            content.extend(bytes(offset - len(content)))
        del content[offset:]
        return
    stop = offset + len(data)
    if len(content) < stop:
        content.extend(bytes(stop - len(content)))
    if sectors is None:
        content[offset:stop] = data
        return
    first = offset // SECTOR
    for number, kept in enumerate(sectors, first):
        begin, end = max(offset, number * SECTOR), min(stop, (number + 1) * SECTOR)
        if kept:
            content[begin:end] = data[begin - offset : end - offset]


def _sectors(change: Change) -> int:
    if not change.data:
        return 0
    return (change.offset + len(change.data) - 1) // SECTOR - change.offset // SECTOR + 1


class Disk:
    """The folder below the root, as the running system sees it and as the disk may have it.

    Parameters
    ----------
    lies : bool
        Whether syncs do nothing, as on a disk that is not honest.
    """

    def __init__(self, *, lies: bool = False) -> None:
        self.root, self._number, self._lies = Folder(), 0, lies

    def _find(self, path: str) -> File | Folder:
        node: File | Folder = self.root
        for name in path.split("/") if path else ():
            assert isinstance(node, Folder)
            node = node.cached[name]
        return node

    def _parent(self, path: str) -> tuple[Folder, str]:
        folder, _, name = path.rpartition("/")
        node = self._find(folder)
        assert isinstance(node, Folder)
        return node, name

    def play(self, call: Call) -> None:
        """Do what a recorded call did."""
        self._number += 1
        if call.op == MARK or call.path.endswith(" (deleted)"):
            return
        if call.op == SYNC:
            if not self._lies:
                self._find(call.path).sync()
        elif call.op == SYNC_FAILED:
            node = self._find(call.path)
            if isinstance(node, File):
                node.pending.clear()
        elif call.op in (WRITE, TRUNCATE):
            node = self._find(call.path)
            assert isinstance(node, File)
            node.change(Change(self._number, call.offset, call.data if call.op == WRITE else None))
        else:
            folder, name = self._parent(call.path)
            names: dict[str, File | Folder | None] = {name: None}
            if call.op in (CREATE, MKDIR):
                names[name] = File() if call.op == CREATE else Folder()
            elif call.op == RENAME:
                target, other = self._parent(call.other)
                assert folder is target, "names move within a folder only"
                names[other] = folder.cached[name]
            folder.change(Change(self._number, names=names))

    def now(self) -> Tree:
        """Return what the running system sees."""
        return dict(_tree(self.root, {}, "", now=True))

    def states(self, random: Random, draws: int) -> Iterator[Tree]:
        """Yield what a power loss may leave: nothing and all of what is pending, each alone, each left out, prefixes.

        Parameters
        ----------
        random : Random
        draws : int
            Random subsets with torn writes, besides; with 0, no write is torn.
        """
        items = sorted(_pending(self.root, set()), key=lambda item: item[1].number)
        every = set(range(len(items)))
        chosen = [set(), every]
        chosen += [every - {i} for i in every] + [{i} for i in every] + [set(range(i)) for i in range(2, len(items))]
        for keep in chosen:
            yield self._state(items, dict.fromkeys(keep))
        if not draws:
            return
        torn = [i for i, (_, change) in enumerate(items) if change.data]
        whole: Parts = dict.fromkeys(every)
        if torn:
            zeros = {i: [False] * _sectors(items[i][1]) for i in torn}
            yield self._state(items, whole | zeros)  # lengths reached the disk, and bytes did not
        for i in torn:
            count = _sectors(items[i][1])
            for cut in {1, count // 2, count - 1} - {0, count}:
                half: Parts = {i: [number < cut for number in range(count)]}
                yield self._state(items, whole | half)
                yield self._state(items, dict.fromkeys(range(i)) | half)
        for _ in range(draws if items else 0):
            some: Parts = {i: None for i in every if random.random() < 0.6}
            for i in some.keys() & torn:
                if random.random() < 0.5:
                    some[i] = [random.random() < 0.5 for _ in range(_sectors(items[i][1]))]
            yield self._state(items, some)

    def _state(self, items: "list[Item]", keep: "Parts") -> Tree:
        kept: Kept = {}
        for i, (node, change) in enumerate(items):
            if i in keep:
                kept.setdefault(id(node), []).append((change, keep[i]))
        return dict(_tree(self.root, kept, "", now=False))


Item = tuple[File | Folder, Change]
Parts = dict[int, list[bool] | None]
"""Which pending changes are on the disk, and, of a torn write, which sectors."""
Kept = dict[int, list[tuple[Change, list[bool] | None]]]


def _pending(node: File | Folder, seen: set[int]) -> Iterator[Item]:
    """Yield the pending changes of everything that a name leads, or may lead, to."""
    if id(node) in seen:
        return
    seen.add(id(node))
    yield from ((node, change) for change in node.pending)
    if isinstance(node, Folder):
        changed = [other for change in node.pending for other in change.names.values() if other is not None]
        for other in [*node.kept.values(), *changed]:
            yield from _pending(other, seen)


def _tree(node: File | Folder, kept: Kept, path: str, *, now: bool) -> Iterator[tuple[str, bytes | None]]:
    changes = kept.get(id(node), ())
    if isinstance(node, File):
        content = bytearray(node.cached if now else node.kept)
        for change, sectors in changes:
            _apply(content, change, sectors)
        yield path, bytes(content)
        return
    if path:
        yield path, None
    entries = dict(node.cached if now else node.kept)
    for change, _ in changes:
        _set(entries, change)
    for name, child in sorted(entries.items()):
        yield from _tree(child, kept, f"{path}/{name}" if path else name, now=now)


def tree_of(root: Path) -> Tree:
    """Return what a real folder holds."""
    paths = sorted(root.rglob("*"))
    return {str(path.relative_to(root)): None if path.is_dir() else path.read_bytes() for path in paths}


def write_tree(tree: Tree, root: Path) -> None:
    """Make a real folder of a tree."""
    for path, content in tree.items():
        if content is None:
            (root / path).mkdir(parents=True)
        else:
            (root / path).write_bytes(content)


def digest(tree: Tree) -> bytes:
    """Return what tells trees apart."""
    hasher = hashlib.blake2b(digest_size=16)
    for path, content in tree.items():
        hasher.update(f"{path}\0{'folder' if content is None else len(content)}\0".encode())
        hasher.update(content or b"")
    return hasher.digest()
