"""Work on a Dask cluster, the results in the order of the items: what :class:`~hdc.apps.workers.Workers` do here.

Dask schedules the work, does it again when a worker dies, and moves what is small. What is large goes through a folder
that all workers see. The work is a pure function of an item, so doing it twice changes nothing.
"""

import gc
import logging
import os
import pickle
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Self, TypeVar

import hdc
from hdc.apps.garbage import uncollected
from hdc.apps.storage import Folder
from hdc.apps.workers import AHEAD, WorkerError
from hdc.checks import wrong
from hdc.errors import BackendUnavailableError, ParameterError

Item = TypeVar("Item")
Result = TypeVar("Result")

LOCAL = "local"

WAIT = 60
"""Seconds in which a first worker must join."""

MOST_LOCAL = 256


class Cluster:
    """A Dask cluster that works on items.

    Parameters
    ----------
    address : str or distributed.Client
        ``"tcp://host:8786"`` or another address of a scheduler, the path of a scheduler file, ``"local"`` for a
        cluster of this machine that ends with this object, ``"local:N"`` for one of N processes; or a client, which
        stays open.

    Raises
    ------
    ParameterError
        If it is none of these.
    BackendUnavailableError
        If Dask is not installed.
    WorkerError
        If no scheduler answers, or it has no worker for a minute.
    """

    def __init__(self, address: Any) -> None:
        self._stack = ExitStack()
        try:
            self.client = self._stack.enter_context(_connected(address, self._stack))
            self.client.wait_for_workers(1, timeout=WAIT)
        except TimeoutError as error:
            self._stack.close()
            raise WorkerError(f"the cluster {address} has no worker; start one with dask worker") from error
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the cluster; end it if it began with this object."""
        self._stack.close()

    @property
    def jobs(self) -> int:
        """Threads of all workers that there are now."""
        return sum(self.client.nthreads().values()) or 1

    def in_order(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield ``work(item)`` for each item in turn; see :meth:`Workers.in_order`.

        Every thread of a worker has a copy of the work. An item is worked on again if its worker dies.

        Raises
        ------
        WorkerError
            If workers keep dying of an item, or the scheduler is lost.
        """
        number, waiting, caller = secrets.token_hex(8), deque[Any](), (os.getpid(), hdc.__version__)
        sent = self._sent(pickle.dumps(work))
        try:
            with worker_errors():
                for item in items:
                    waiting.append(self.client.submit(_done_there, number, caller, sent, item, pure=False))
                    if len(waiting) > AHEAD * self.jobs:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
        finally:
            if waiting:
                self.client.cancel(list(waiting))

    def _sent(self, data: bytes) -> Any:
        """Return a future of bytes that the scheduler can make again, whichever workers die."""
        import dask

        with dask.config.set({"distributed.admin.large-graph-warning-threshold": f"{len(data) + (10 << 20)}B"}):
            return self.client.submit(bytes, data, pure=False)

    def through(
        self, folder: Folder, work: Callable[[Item], Iterable[bytes]], items: Iterable[Item]
    ) -> Iterator[Iterator[bytes]]:
        """Yield what ``work(item)`` gives for each item in turn, which goes through files in a folder.

        A worker that is killed leaves no part of a file, and one that comes too late writes the same file again.

        Parameters
        ----------
        folder : Folder
            Workers see it by the same name.
        work : function
        items : iterable
        """
        for names in self.in_order(_Aside(work, folder), enumerate(items)):
            yield map(folder.take, names)


@contextmanager
def worker_errors() -> Iterator[None]:
    """Raise WorkerError for what Dask raises where workers keep dying, or the scheduler is lost."""
    from distributed import CancelledError, KilledWorker
    from distributed.comm import CommClosedError

    try:
        yield
    except KilledWorker as error:
        text = "workers of the cluster died of the same work again and again; have they memory enough?"
        raise WorkerError(f"{text} Give them more, or fewer threads each") from error
    except (CancelledError, CommClosedError) as error:
        raise WorkerError("the scheduler of the cluster is lost; start it and run the same again") from error


@contextmanager
def joblib_backend(address: Any) -> Iterator[None]:
    """Let joblib work on a Dask cluster for a while; ``address`` and errors are those of :class:`Cluster`."""
    from joblib import parallel_config

    with Cluster(address) as cluster, worker_errors(), parallel_config(backend="dask", client=cluster.client):
        yield


class _Aside:
    """Work whose results go to files."""

    def __init__(self, work: Callable[[Any], Iterable[bytes]], folder: Folder) -> None:
        self._work, self._folder = work, folder

    def __call__(self, numbered: tuple[int, Any]) -> list[str]:
        """Return the names of the files."""
        number, item = numbered
        names = []
        for place, data in enumerate(self._work(item)):
            names.append(f"{number}-{place}")
            try:
                self._folder.write(names[-1], data)
            except FileNotFoundError as error:
                raise WorkerError(
                    f"a worker does not see {self._folder.place}; have it on storage that all workers see by the same "
                    "name, or name a folder or URL there with shared (--shared)"
                ) from error
        return names


_HERE = threading.local()
"""The work that a thread is at, and its number."""


def _done_there(number: str, caller: tuple[int, str], packed: bytes, item: Any) -> Any:
    process, version = caller
    if version != hdc.__version__:
        raise WorkerError(f"a worker has hdc-toolkit {hdc.__version__}, and {version} is here; install one release")
    apart = os.getpid() != process
    if apart:
        hdc.threads(1)  # as many threads as the worker has are Dask's to use
    if getattr(_HERE, "number", None) != number:
        _HERE.number, _HERE.work = number, pickle.loads(packed)
    with uncollected():
        result = _HERE.work(item)
    if apart:
        gc.collect()  # tables of leaves are cycles
    return result


def _connected(address: Any, stack: ExitStack) -> Any:
    """Return a client in a context that closes it, if it is ours to close."""
    try:
        from distributed import Client
    except ImportError as error:
        raise BackendUnavailableError("a cluster needs Dask: pip install 'hdc-toolkit[dask]'") from error
    if isinstance(address, Client):
        return _Open(address)
    if not isinstance(address, str):
        raise wrong(address, "cluster", "an address such as 'tcp://host:8786', or a distributed.Client")
    kind, _, count = address.partition(":")
    try:
        if kind == LOCAL and "://" not in address:
            return Client(stack.enter_context(_local(address, count)), set_as_default=False)
        if "://" in address:
            return Client(address, set_as_default=False)
        if os.path.isfile(address):
            return Client(scheduler_file=address, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise WorkerError(f"no scheduler answers at {address}; start one with dask scheduler ({error})") from error
    raise ParameterError(
        f"cluster={address!r} is no address, such as tcp://host:8786, no scheduler file, and neither local nor local:N"
    )


def _local(address: str, count: str) -> Any:
    from distributed import LocalCluster

    if count and not (count.isdecimal() and 1 <= int(count) <= MOST_LOCAL):
        raise ParameterError(f"cluster={address!r}: expected local, or local:N for 1 to {MOST_LOCAL} processes")
    workers = int(count) if count else os.cpu_count() or 1
    port = "127.0.0.1:0"  # of its page: any that is free
    return LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=port, silence_logs=logging.CRITICAL)


class _Open:
    """A client that somebody else closes."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __enter__(self) -> Any:
        return self._client

    def __exit__(self, *_: object) -> None:
        pass
