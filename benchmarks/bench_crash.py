"""Break a store and the indexes at every point where they write; count what is lost, half visible or untrue.

    python benchmarks/bench_crash.py                     # everything
    python benchmarks/bench_crash.py --quick             # a part of the points of the store
    python benchmarks/bench_crash.py --only store:eio-once:37

A workload creates, changes, compacts, closes and reopens a store or an index in a child process; ``crash_shim.c``,
compiled here and preloaded, counts every call that changes files. Before each of them, in a run of its own,

- ``kill``: the process is killed;
- ``half``: half of a write is done and the process is killed;
- ``enospc``, ``eio``: the call fails, ``-once`` or it and all later ones, ``-for-ever``, or after half a write,
  ``-short``; the workload repeats what was refused and goes on;
- ``power``: the machine loses power: what was not synced is there or not, in parts, writes torn at sectors of 512 B;
- ``kill-again``: the process that opens what a kill left is killed at each of its own calls;
- ``power-later``: it goes on after a kill, and then power is lost.

Whatever is left must open, for reading, which must not write, and for writing; verify; take another row under a new
id; and hold what was acknowledged, at most with the one change that was going on, as a whole. An error must be a typed
one, and "nothing was changed" must be so. Linux and a C compiler only. Exit status 1 if anything else is found.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import ctypes
import errno
import itertools
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import crash_disk
from children import FAST, WrongError, ended, in_child
from crash_disk import Call, Disk, Tree
from crash_workloads import WORKLOADS, Workload

from hdc.errors import HDCError

HERE = Path(__file__).parent
SHIM = "HDC_CRASH_SHIM"
COUNT, KILL, HALF, ONCE, SHORT, FOR_EVER = range(6)
ERRORS = {
    "enospc-once": (ONCE, errno.ENOSPC),
    "enospc-for-ever": (FOR_EVER, errno.ENOSPC),
    "enospc-short": (SHORT, errno.ENOSPC),
    "eio-once": (ONCE, errno.EIO),
    "eio-for-ever": (FOR_EVER, errno.EIO),
}
SCENARIOS = ("kill", "half", *ERRORS, "power", "kill-again", "power-later")
TYPED = (OSError, HDCError)
MARKS = 3
"""Acknowledged changes after an error, after which power is lost."""
UNCHANGED = "nothing was changed"


# ---------------------------------------------------------------------- children


def shim() -> ctypes.CDLL:
    """Return the preloaded library."""
    library = ctypes.CDLL(os.environ[SHIM])
    library.crash_arm.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_long, ctypes.c_int, ctypes.c_int]
    library.crash_mark.argtypes = [ctypes.c_long]
    library.crash_count.restype = ctypes.c_long
    return library


@dataclass(frozen=True)
class Fault:
    """What the shim does in a child: a mode, from the point ``at`` on."""

    mode: int = COUNT
    at: int = -1
    error: int = 0


def armed(root: Path, fault: Fault, log: Path | None = None) -> ctypes.CDLL:
    """Arm the shim of this process."""
    library = shim()
    file = -1 if log is None else os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    library.crash_arm(bytes(root), file, fault.at, fault.mode, fault.error)
    return library


def play(workload: Workload, root: Path, fault: Fault, log: Path | None = None) -> tuple[list[Any], int]:
    """Run a workload in a child; it says the number of each state that was acknowledged, and the calls at the end."""

    def work(say: Callable[[Any], None]) -> None:
        library = armed(root, fault, log)

        def acknowledge(number: int) -> None:
            say(number)
            library.crash_mark(number)

        thing = workload.create(root / "s")
        acknowledge(0)
        for number, (_, change) in enumerate(workload.steps, 1):
            if change is None:
                thing.close()
                thing = workload.open(root / "s", True)
            else:
                change(thing)
            acknowledge(number)
        thing.close()
        say(("calls", library.crash_count()))

    return in_child(work)


def play_with_errors(
    workload: Workload, states: list[Any], root: Path, fault: Fault, log: Path
) -> tuple[list[Any], int]:
    """Run a workload in a child that goes on after errors.

    It says the number of each state that it is in, then ``("unsure", number)`` if the last error, after which it gave
    up, leaves open whether the state after ``number`` came to be.
    """

    def work(say: Callable[[Any], None]) -> None:
        library = armed(root, fault, log)
        thing: Any = None

        def acknowledge(number: int) -> None:
            say(number)
            library.crash_mark(number)

        def step(number: int) -> None:
            nonlocal thing
            change = workload.steps[number - 1][1] if number else None
            if number == 0:
                thing = workload.create(root / "s")
            elif change is None:
                if thing is not None:
                    open_thing, thing = thing, None
                    open_thing.close()
                thing = workload.open(root / "s", True)
            else:
                change(thing)

        for number in range(len(states)):
            try:
                step(number)
            except TYPED as error:
                found = after_error(workload, states, number, thing, error)
                if found == number - 1:
                    try:
                        step(number)
                    except TYPED as again:
                        if fault.mode != FOR_EVER:
                            raise WrongError(
                                "wrong", f"step {number} fails again: {again!r}; first {error!r}"
                            ) from again
                        unsure = UNCHANGED not in f"{error}" or UNCHANGED not in f"{again}"
                        say(("unsure", number - 1) if unsure else ("sure", number - 1))
                        if thing is not None:
                            with contextlib.suppress(*TYPED):
                                thing.close()
                        return
            if thing is not None:
                check_content(workload, states, number, thing)
            acknowledge(number)
        with contextlib.suppress(*TYPED):
            thing.close()

    return in_child(work)


def after_error(workload: Workload, states: list[Any], number: int, thing: Any, error: BaseException) -> int:
    """Return the state that a store or index is in after step ``number`` failed: the one before, or the one after."""
    if thing is None:
        return number - 1
    found = content_of(workload, thing)
    if number and found == states[number - 1]:
        return number - 1
    if found != states[number]:
        raise WrongError("half visible", f"step {number} failed, {error!r}, and left {short(found)}")
    if UNCHANGED in str(error):
        raise WrongError("wrong", f"step {number} says {error!r}, and it was changed")
    return number


def content_of(workload: Workload, thing: Any) -> Any:
    try:
        return workload.content(thing)
    except Exception as error:
        raise WrongError("wrong", f"the content cannot be read: {error!r}") from error


def check_content(workload: Workload, states: list[Any], number: int, thing: Any) -> None:
    found = content_of(workload, thing)
    if found != states[number]:
        raise WrongError("half visible", f"after step {number} it holds {short(found)}")


def short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 200 else f"{text[:200]}…"


# ---------------------------------------------------------------------- what is left


def inspect(workload: Workload, states: list[Any], root: Path, last: int, unsure: bool) -> str:
    """Open what a crash left and compare it with what it must hold; return which state it is in.

    Parameters
    ----------
    last : int
        Number of the last state that was acknowledged; -1 for none.
    unsure : bool
        Whether a change was going on.
    """

    def work(say: Callable[[Any], None]) -> None:
        folder = root / "s"
        allowed = either(states, last) if unsure else [last]
        library = armed(root, Fault())
        try:
            thing = workload.open(folder, False)
        except TYPED as error:
            if last >= 0:
                raise WrongError("lost", f"it does not open for reading: {error!r}") from error
            made_again(workload, states, folder, say)
            return
        with thing:
            found = content_of(workload, thing)
            thing.verify()
        if library.crash_count():
            raise WrongError("wrong", f"a reader changed files, {library.crash_count()} times")
        library.crash_disarm()
        number = which(states, allowed, found)
        with workload.open(folder, True) as thing:
            if content_of(workload, thing) != found:
                raise WrongError("half visible", "a writer sees something else than a reader before it")
            thing.verify()
            added = workload.add(thing)
            used = {i for state in states[: number + 1] for i in workload.ids(state)}
            if used and added <= max(used):
                raise WrongError("wrong", f"a new row has the id {added}, which is not above {max(used)}")
        with workload.open(folder, False) as thing:
            after = content_of(workload, thing)
            thing.verify()
        if set(workload.ids(after)) != {*workload.ids(found), added}:
            raise WrongError("lost", f"after one more row it holds {short(after)}")
        say("as acknowledged" if number == last else "with the change going on")

    said, status = in_child(work)
    if said and isinstance(said[-1], WrongError):
        raise said[-1]
    if status:
        raise WrongError("wrong", f"opening {ended(status)}")
    return str(said[-1])


def made_again(workload: Workload, states: list[Any], folder: Path, say: Callable[[Any], None]) -> None:
    """Check that what died before it was created can be created again in the same place."""
    try:
        with workload.create(folder) as thing:
            check_content(workload, states, 0, thing)
            workload.add(thing)
            thing.verify()
    except TYPED as error:
        raise WrongError("wrong", f"it neither opens nor can be made again: {error!r}") from error
    say("nothing there yet")


def either(states: list[Any], last: int) -> list[int]:
    """Return the last state that was acknowledged, and the one that was being made."""
    return [number for number in (last, last + 1) if 0 <= number < len(states)]


def which(states: list[Any], allowed: list[int], found: Any) -> int:
    for number in allowed:
        if found == states[number]:
            return number
    earlier = [number for number, state in enumerate(states) if found == state]
    if earlier:
        raise WrongError("lost", f"it is in state {earlier[-1]}, not {' or '.join(map(str, allowed))}")
    raise WrongError("half visible", f"it holds {short(found)}")


# ---------------------------------------------------------------------- one trial of a scenario


@dataclass(frozen=True)
class Trial:
    """One run: a scenario at a point, or a state of the disk and the last state acknowledged before."""

    workload: str
    scenario: str
    point: int
    call: str
    tree: Tree | None = None
    last: int = -1

    def __str__(self) -> str:
        return f"{self.workload}:{self.scenario}:{self.point} ({self.call})"


Result = collections.Counter[str]


def attempt(trial: Trial, states: list[Any], draws: int) -> tuple[Result, list[str]]:
    """Run a trial in a fresh folder; return counts, and what was wrong."""
    counts, problems = Result(), []
    for what in outcomes(trial, states, draws):
        if isinstance(what, WrongError):
            problems.append(f"{trial}: {what.kind}: {what.text}")
            counts[what.kind.upper()] += 1
        else:
            counts[what] += 1
        counts["states"] += 1
    return counts, problems


def outcomes(trial: Trial, states: list[Any], draws: int) -> Iterator[str | WrongError]:
    with tempfile.TemporaryDirectory(dir=FAST) as place:
        root, log = Path(place) / "root", Path(place) / "log"
        root.mkdir()
        try:
            yield from RUNS[trial.scenario](trial, WORKLOADS[trial.workload], states, root, log, draws)
        except WrongError as wrong:
            yield wrong


Run = Callable[[Trial, Workload, list[Any], Path, Path, int], Iterator[str | WrongError]]


def run_killed(
    trial: Trial, workload: Workload, states: list[Any], root: Path, log: Path, draws: int
) -> Iterator[str | WrongError]:
    yield inspect(workload, states, root, killed(trial, workload, root, None), True)


def killed(trial: Trial, workload: Workload, root: Path, log: Path | None) -> int:
    """Run a workload that is killed; return the last state that it acknowledged."""
    mode = HALF if trial.scenario == "half" else KILL
    said, status = play(workload, root, Fault(mode, trial.point), log)
    if status != -signal.SIGKILL:
        raise WrongError("wrong", f"the workload was to be killed and ended with {status}: {said[-1:]}")
    return max(said, default=-1)


def run_with_errors(
    trial: Trial, workload: Workload, states: list[Any], root: Path, log: Path, draws: int
) -> Iterator[str | WrongError]:
    mode, number = ERRORS[trial.scenario]
    said, status = play_with_errors(workload, states, root, Fault(mode, trial.point, number), log)
    if said and isinstance(said[-1], WrongError):
        raise said[-1]
    if status:
        raise WrongError("wrong", f"it {ended(status)}")
    gave_up = isinstance(said[-1], tuple)
    last = said[-1][1] if gave_up else said[-1]
    calls = crash_disk.read_calls(log, root)
    yield inspect(workload, states, root, last, gave_up and said[-1][0] == "unsure")
    if mode != FOR_EVER:  # what was acknowledged after the error is there after a power loss, too
        disk, after, seen = Disk(), 0, set()
        for number, call in enumerate(calls):
            disk.play(call)
            after += call.op == crash_disk.MARK and call.point > trial.point
            tree = next(disk.states(Random(0), 0)) if call.op == crash_disk.MARK and 0 < after <= MARKS else None
            if number == len(calls) - 1:
                tree, call = next(disk.states(Random(0), 0)), crash_disk.mark(last)
            if tree is not None and (key := (call.offset, crash_disk.digest(tree))) not in seen:
                seen.add(key)
                try:
                    yield inspect_tree(workload, states, tree, root, call.offset, False)
                except WrongError as wrong:
                    yield WrongError(wrong.kind, f"power lost after state {call.offset} later: {wrong.text}")


def inspect_tree(workload: Workload, states: list[Any], tree: Tree, root: Path, last: int, unsure: bool) -> str:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    crash_disk.write_tree(tree, root)
    return inspect(workload, states, root, last, unsure)


def run_power(
    trial: Trial, workload: Workload, states: list[Any], root: Path, log: Path, draws: int
) -> Iterator[str | WrongError]:
    assert trial.tree is not None
    yield inspect_tree(workload, states, trial.tree, root, trial.last, True)


def reopen(workload: Workload, states: list[Any], root: Path, last: int, fault: Fault, log: Path | None) -> Any:
    """Open what a kill left and add a row, in a child; it says the state it found, and then "added"."""

    def work(say: Callable[[Any], None]) -> None:
        library = armed(root, fault, log)
        with workload.open(root / "s", True) as thing:
            say(which(states, either(states, last), content_of(workload, thing)))
            library.crash_mark(0)
            workload.add(thing)
            say("added")
            library.crash_mark(1)
        say(("calls", library.crash_count()))

    return in_child(work)


def run_killed_again(
    trial: Trial, workload: Workload, states: list[Any], root: Path, log: Path, draws: int
) -> Iterator[str | WrongError]:
    last = killed(trial, workload, root, None)
    if last < 0:
        return
    kept = root.with_name("kept")
    shutil.copytree(root, kept)
    said, status = reopen(workload, states, root, last, Fault(), None)
    if status:
        raise said[-1] if isinstance(said[-1], WrongError) else WrongError("wrong", f"opening {ended(status)}")
    for point in range(said[-1][1]):
        shutil.rmtree(root)
        shutil.copytree(kept, root)
        said, status = reopen(workload, states, root, last, Fault(KILL, point), None)
        if status != -signal.SIGKILL:
            yield WrongError("wrong", f"call {point} after opening: ended with {status}: {said[-1:]}")
            continue
        try:
            yield inspect_added(workload, states, root, last, said)
        except WrongError as wrong:
            yield WrongError(wrong.kind, f"killed again at call {point}: {wrong.text}")


def inspect_added(workload: Workload, states: list[Any], root: Path, last: int, said: list[Any]) -> str:
    """Compare what is there with a state that was found again, perhaps with a row that was added since."""
    held = states[said[0]] if said else None

    def work(say: Callable[[Any], None]) -> None:
        with workload.open(root / "s", False) as thing:
            found = content_of(workload, thing)
            thing.verify()
        with workload.open(root / "s", True) as thing:
            if content_of(workload, thing) != found:
                raise WrongError("half visible", "a writer sees something else than a reader before it")
            thing.verify()
        if held is None:
            which(states, either(states, last), found)
            say("as acknowledged")
            return
        more = set(workload.ids(found)) - set(workload.ids(held))
        if "added" in said and not more:
            raise WrongError("lost", "the row that was added after the first crash is gone")
        if len(more) > 1 or set(workload.ids(held)) - set(workload.ids(found)) or (not more and found != held):
            raise WrongError("lost", f"it held {short(held)} and holds {short(found)}")
        say("as acknowledged" if bool(more) == ("added" in said) else "with the change going on")

    said_now, status = in_child(work)
    if said_now and isinstance(said_now[-1], WrongError):
        raise said_now[-1]
    if status:
        raise WrongError("wrong", f"opening {ended(status)}")
    return str(said_now[-1])


def run_power_later(
    trial: Trial, workload: Workload, states: list[Any], root: Path, log: Path, draws: int
) -> Iterator[str | WrongError]:
    last = killed(trial, workload, root, log)
    if last < 0:
        return
    before = len(crash_disk.read_calls(log, root))
    said, status = reopen(workload, states, root, last, Fault(), log)
    if status:
        raise said[-1] if isinstance(said[-1], WrongError) else WrongError("wrong", f"opening {ended(status)}")
    calls = crash_disk.read_calls(log, root)
    disk, heard, random, seen = Disk(), 0, Random(0), set()
    for number, call in enumerate(calls):
        disk.play(call)
        heard += number >= before and call.op == crash_disk.MARK
        if number >= before and heard:
            for tree in disk.states(random, 0):
                if (key := (heard, crash_disk.digest(tree))) not in seen:
                    seen.add(key)
                    shutil.rmtree(root)
                    root.mkdir()
                    crash_disk.write_tree(tree, root)
                    try:
                        yield inspect_added(workload, states, root, last, said[:heard])
                    except WrongError as wrong:
                        yield WrongError(
                            wrong.kind, f"power lost after call {number - before} of the next: {wrong.text}"
                        )


RUNS: dict[str, Run] = {
    "kill": run_killed,
    "half": run_killed,
    **dict.fromkeys(ERRORS, run_with_errors),
    "power": run_power,
    "kill-again": run_killed_again,
    "power-later": run_power_later,
}

# ---------------------------------------------------------------------- all of them


def recorded(name: str) -> tuple[list[Any], list[Call], int]:
    """Run a workload whole; return its states, its calls and their number, and check the simulated disk against it."""
    workload = WORKLOADS[name]
    states = workload.states()
    with tempfile.TemporaryDirectory(dir=FAST) as place:
        root, log = Path(place) / "root", Path(place) / "log"
        root.mkdir()
        said, status = play(workload, root, Fault(), log)
        if status:
            sys.exit(f"{name}: the workload fails by itself: {said[-1]}")
        calls = crash_disk.read_calls(log, root)
        disk = Disk()
        for call in calls:
            disk.play(call)
        if disk.now() != crash_disk.tree_of(root):
            sys.exit(f"{name}: the recorded calls do not make the folder: something writes past the shim")
    return states, calls, said[-1][1]


def trials(
    name: str, scenario: str, calls: list[Call], count: int, every: int, draws: int, *, lies: bool
) -> Iterator[Trial]:
    """Yield the trials of a scenario."""
    if scenario == "power":
        disk, last, random, seen = Disk(lies=lies), -1, Random(0), set()
        for number, call in enumerate(calls):
            disk.play(call)
            last = call.offset if call.op == crash_disk.MARK else last
            if number % every == 0:
                for tree in itertools.islice(disk.states(random, draws), 1 if lies else None):
                    if (key := (last, crash_disk.digest(tree))) not in seen:
                        seen.add(key)
                        yield Trial(name, scenario, call.point, f"after {call}", tree, last)
        return
    made = {call.point: call for call in calls if call.op != crash_disk.MARK}
    for point in range(0, count, every):
        call = made.get(point)
        if scenario not in ("half", "enospc-short") or (call and len(call.data) > 1):
            yield Trial(name, scenario, point, "a call in vain" if call is None else str(call))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the store only, every seventh point, fewer states")
    parser.add_argument("--workload", choices=WORKLOADS, action="append")
    parser.add_argument("--scenario", choices=SCENARIOS, action="append")
    parser.add_argument("--every", type=int, help="only every n-th point")
    parser.add_argument("--draws", type=int, help="random states of the disk after each call")
    parser.add_argument("--only", metavar="WORKLOAD:SCENARIO:POINT", help="one point, as a problem is named")
    parser.add_argument(
        "--lying-disk",
        action="store_true",
        help="syncs do nothing in 'power': losses must be found, to see that they are",
    )
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    if SHIM not in os.environ:
        return preloaded()
    names = options.workload or (["store"] if options.quick else list(WORKLOADS))
    scenarios = options.scenario or SCENARIOS
    every, draws = options.every or (7 if options.quick else 1), options.draws or (3 if options.quick else 12)
    if options.only:
        name, scenario, point = options.only.split(":")
        names, scenarios = [name], [scenario]
    total: Result = Result()
    start = time.monotonic()
    print(f"{'workload':13}{'scenario':17}{'points':>7}{'states':>8}  outcomes")
    for name in names:
        states, calls, count = recorded(name)
        for scenario in scenarios:
            thin = every * (5 if scenario in ("kill-again", "power-later") and not options.every else 1)
            chosen = trials(name, scenario, calls, count, 1 if options.only else thin, draws, lies=options.lying_disk)
            if options.only:
                chosen = (trial for trial in chosen if trial.point == int(point))
            counts, problems = tried(list(chosen), states, draws, options.jobs)
            total += counts
            shown = ", ".join(f"{what} {n}" for what, n in sorted(counts.items()) if what not in ("points", "states"))
            print(f"{name:13}{scenario:17}{counts['points']:7}{counts['states']:8}  {shown}", flush=True)
            for problem in problems[:5]:
                print(f"    {problem}")
    bad = {kind: total[kind.upper()] for kind in ("lost", "half visible", "wrong")}
    print(f"\npoints tried {total['points']}, states tried {total['states']}, ", end="")
    print(", ".join(f"{kind} {count}" for kind, count in bad.items()), f"({time.monotonic() - start:.0f} s)")
    return 1 if any(bad.values()) else 0


def tried(chosen: list[Trial], states: list[Any], draws: int, jobs: int) -> tuple[Result, list[str]]:
    """Run trials, several at a time."""
    counts, problems = Result({"points": len({trial.point for trial in chosen})}), []
    fork = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(jobs, mp_context=fork) as pool:
        pending = [pool.submit(attempt, trial, states, draws) for trial in chosen]
        for number, done in enumerate(concurrent.futures.as_completed(pending)):
            result, wrong = done.result()
            counts += result
            problems += wrong
            if sys.stderr.isatty():
                print(f"\r{number + 1}/{len(pending)}", end="\r", file=sys.stderr)
    return counts, sorted(problems)


def preloaded() -> int:
    """Compile the shim and start again with it."""
    if sys.platform != "linux" or shutil.which("cc") is None:
        sys.exit("the crash harness needs Linux and a C compiler (cc)")
    with tempfile.TemporaryDirectory() as place:
        library = Path(place) / "crash_shim.so"
        flags = ["-O1", "-shared", "-fPIC", "-o", str(library), str(HERE / "crash_shim.c"), "-lpthread"]
        subprocess.run(["cc", *flags], check=True)
        environment = {**os.environ, SHIM: str(library), "LD_PRELOAD": str(library)}
        return subprocess.run([sys.executable, *sys.argv], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
