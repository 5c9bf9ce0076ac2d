"""Seconds that a user waits for compilation: the first answer of ``hdc demo``, and ``hdc warmup``, cold and warm."""

import os
import subprocess
import sys
import tempfile
import time

COMMANDS = {"first answer of hdc demo": ("demo", "1. "), "hdc warmup": ("warmup", "All kernels")}
"""The arguments of each command, and how the line begins whose printing is waited for."""


def _seconds(argument: str, awaited: str, cache: str) -> float:
    environment = os.environ | {"NUMBA_CACHE_DIR": cache, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "hdc.apps.cli", argument]
    began = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(awaited):
                waited = time.perf_counter() - began
                process.stdout.read()
                return waited
    raise SystemExit(f"hdc {argument} ended without a line that begins with {awaited!r}")


def first_use(warm_rounds: int) -> dict[str, dict[str, float]]:
    """Measure each command once with an empty cache of compiled code, then with what that left; the best of those.

    Returns
    -------
    dict of dicts
        By command: ``cold`` and ``warm`` seconds since the start of the process.
    """
    found = {}
    for name, (argument, awaited) in COMMANDS.items():
        with tempfile.TemporaryDirectory() as cache:
            cold = _seconds(argument, awaited, cache)
            found[name] = {"cold": cold, "warm": min(_seconds(argument, awaited, cache) for _ in range(warm_rounds))}
    return found
