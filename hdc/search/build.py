"""Build: create an index beside its final path, resume after an interruption, swap it in when complete."""

import contextlib
import ctypes
import errno
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from hdc import checks, files
from hdc.errors import FileFormatError, HDCError, ParameterError
from hdc.store import layout
from hdc.store.locking import NAME as LOCK
from hdc.store.locking import WriterLock

T = TypeVar("T")

SUFFIX = ".building"

INDEX, TASK = "index", "task"
"""Names in the folder of a build: the unfinished index, and the description of its inputs."""

ATTEMPTS = 10
"""Attempts to lock the folder, which another build may just be removing."""

_HERE, _EXCHANGE = -100, 2
"""Linux: paths are relative to the working folder; both names exist and swap."""


class Build:
    """An unfinished index, in the folder ``INDEX.building`` beside its final path.

    From entering to leaving, the build locks that folder and, if it replaces an index, takes the index's writer lock.
    So no change to the old index is acknowledged and then lost. Readers keep the index that they have open. After a
    crash, Ctrl-C or a full disk the folder stays, and the same task resumes from it.

    Parameters
    ----------
    output : path
        Path of the index. An existing index is replaced.
    kind : str
        Kind of the store of an index that may be replaced.
    inside : str
        Relative path of the store in an index's folder.
    inputs : sequence of paths
        Files that must not be replaced.
    resumable : bool
        False if the inputs cannot be read again. Then an error removes everything.
    hopeless : tuple of exceptions
        These errors remove everything too: the same task would fail again.

    Attributes
    ----------
    folder : Path
        Folder for the builder's other files: inputs that can be read only once, learned data, a journal.
    index : Path
        Path of the unfinished index. Close the index before :meth:`finish`.

    Raises
    ------
    ParameterError
        If the path cannot be an index, or something else exists there.
    BlockingIOError
        If another process is building or writing the index; the message names the process, the machine and the time.
    OSError
        If the folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from hdc.search.build import Build
    >>> from hdc.store import Store
    >>> output = tempfile.mkdtemp() + "/cities"
    >>> with Build(output, "cities") as build:
    ...     build.begin({"options": {"bits": 64}, "inputs": ["cities.csv"]})
    ...     Store.create(build.index, "cities", {"codes": ("uint64", 1)}).close()
    ...     build.finish()
    >>> len(Store.open(output, "cities"))
    0
    """

    def __init__(
        self,
        output: str | os.PathLike[str],
        kind: str,
        *,
        inside: str = "",
        inputs: Sequence[str | os.PathLike[str]] = (),
        resumable: bool = True,
        hopeless: tuple[type[BaseException], ...] = (ParameterError,),
    ) -> None:
        _check_place(os.fspath(checks.path(output, "output")), kind, inside, inputs)
        self.output = Path(os.path.abspath(output))
        self.folder = self.output.with_name(self.output.name + SUFFIX)
        self.index = self.folder / INDEX
        self._resumable, self._hopeless, self._finished = resumable, hopeless, False
        self._lock = self._locked()
        self._replaced: WriterLock | None = None
        try:
            if self.output.exists():
                self._replaced = WriterLock(self.output / inside)
        except BaseException:
            self._leave(remove=[path.name for path in self.folder.iterdir()] == [LOCK])
            raise

    def _locked(self) -> WriterLock:
        for _ in range(ATTEMPTS):
            self.folder.mkdir(exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                return WriterLock(self.folder, f"{self.output} is being built by {{holder}}; wait until it is done")
        raise BlockingIOError(errno.EAGAIN, "is being built by another process; try again", str(self.output))

    def begin(self, task: Mapping[str, Any], *, keep: Sequence[str] = ()) -> str | None:
        """Clear the folder, unless it contains the start of the same task; return a note for the user.

        Parameters
        ----------
        task : mapping of JSON values
            Everything that the index depends on. The note names the entries that changed.
        keep : sequence of str
            Names of files in the folder to keep.
        """
        now = json.loads(json.dumps(task))
        before = self._task()
        if before == now:
            return "resuming an interrupted run"
        for path in self.folder.iterdir():
            if path.name not in (LOCK, *keep):
                _remove(path)
        self._write_task(now)
        if before is None:
            return None
        changed = " and ".join(what for what in now if before.get(what) != now[what])
        return f"an interrupted run had other {changed}; starting over"

    def opened(self, open: Callable[[Path], T], create: Callable[[Path], T]) -> T:
        """Open, for writing, the index of an interrupted run; create it again if that is incomplete."""
        try:
            return open(self.index)
        except (HDCError, FileNotFoundError):  # missing or incomplete, so no row was acknowledged
            shutil.rmtree(self.index, ignore_errors=True)
            return create(self.index)

    def finish(self) -> None:
        """Move the index to its final path, atomically on Linux; readers keep the index that they have open.

        Raises
        ------
        OSError
            If that fails; the same task then resumes.
        """
        task = self._task()
        # Without its task, the next build clears the folder: after the swap it contains the old index.
        (self.folder / TASK).unlink()
        files.sync_folder(self.folder)
        try:
            if not self.output.exists():
                os.replace(self.index, self.output)
            elif not _exchanged(self.index, self.output):
                os.replace(self.output, self.folder / "replaced")
                os.replace(self.index, self.output)
        except OSError:
            self._write_task(task)
            raise
        files.sync_folder(self.output.parent)
        self._finished = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failed = error is not None and (not self._resumable or isinstance(error, self._hopeless))
        self._leave(remove=self._finished or failed)

    def _leave(self, *, remove: bool) -> None:
        """Release the locks; remove the folder first, while no other build can use it."""
        if remove:
            shutil.rmtree(self.folder, ignore_errors=True)
        if self._replaced is not None:
            self._replaced.release()
        self._lock.release()
        if remove and os.name == "nt":  # Windows cannot remove open files
            shutil.rmtree(self.folder, ignore_errors=True)

    def _task(self) -> Any:
        try:
            return json.loads((self.folder / TASK).read_bytes())
        except (OSError, ValueError):
            return None

    def _write_task(self, task: Any) -> None:
        with files.replacing(self.folder / TASK) as file:
            file.write(json.dumps(task).encode())


def _check_place(output: str, kind: str, inside: str, inputs: Sequence[str | os.PathLike[str]]) -> None:
    """Raise before the work if an index cannot be written to a path, or would replace something else."""
    path = Path(os.path.abspath(output))
    if not path.name or not path.parent.is_dir():
        raise ParameterError(f"{output} cannot be an index; name a path in a folder that exists")
    if not os.path.lexists(path):
        return
    if any(os.path.exists(name) and os.path.samefile(name, path) for name in inputs):
        raise ParameterError(f"{output} is an input; name another path for the index")
    try:
        layout.read_current(path / inside, kind)
    except (FileFormatError, NotADirectoryError, FileNotFoundError) as error:
        raise ParameterError(f"{output} exists and is not an index; name another path, or remove it first") from error


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _exchanged(one: Path, other: Path) -> bool:
    """Swap two names atomically; return False if the system or the file system cannot."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    return rename is not None and rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0
