"""A map that keeps neighbors together, by UMAP, in its own process, which can be ended at any time.

McInnes, Healy and Melville (2018), "UMAP: Uniform Manifold Approximation and Projection for Dimension Reduction".
"""

import importlib.util
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hdc.errors import BackendUnavailableError, HDCError, ParameterError

Floats = npt.NDArray[np.float32]

LEAST_ROWS = 16

MOST_ROWS = 100_000
"""Most rows to lay out; others are placed among their neighbors."""

REDUCED = 32
"""Principal axes in which neighbors are found."""

PAUSE = 0.1
"""Seconds between two checks of the process."""


def available() -> bool:
    """Return whether umap-learn is installed."""
    return importlib.util.find_spec("umap") is not None


def check(rows: int) -> None:
    """Raise an error unless this many rows can be laid out here."""
    if not available():
        raise BackendUnavailableError(
            'method "umap" needs umap-learn: pip install "hdc-toolkit[umap]"; method "pca" needs nothing'
        )
    if rows < LEAST_ROWS:
        raise ParameterError(f'method "umap" needs at least {LEAST_ROWS} rows, not {rows}; take method "pca"')


def lay_out(reduced: Floats, tick: Callable[[], None], seed: int = 0) -> Floats:
    """Return ``(n, 2)`` points of ``(n, m)`` rows; ``tick`` is called meanwhile, and its exception ends the process.

    Raises
    ------
    HDCError
        If the process fails; the message ends with its last output.
    """
    with tempfile.TemporaryDirectory(prefix="hdc-map-") as folder:
        given, found = Path(folder, "rows.npy"), Path(folder, "points.npy")
        np.save(given, reduced)
        command = [sys.executable, "-m", __name__, str(given), str(found), str(seed)]
        with open(Path(folder, "said"), "w+b") as said:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
            try:
                while process.poll() is None:
                    tick()
                    try:
                        process.wait(PAUSE)
                    except subprocess.TimeoutExpired:
                        continue
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
            if process.returncode or not found.exists():
                said.seek(0)
                last = said.read()[-300:].decode(errors="replace").strip().splitlines()[-1:]
                raise HDCError(f"UMAP failed with status {process.returncode}: {''.join(last)}")
        points: Floats = np.load(found).astype(np.float32)
    if points.shape != (len(reduced), 2) or not np.isfinite(points).all():
        raise HDCError('UMAP returned no points for some rows; take method "pca"')
    return points


def main(given: str, found: str, seed: str) -> None:
    """Read rows, lay them out, write the points to a temporary file and rename it."""
    warnings.simplefilter("ignore")
    import umap

    rows = np.load(given)
    mapper = umap.UMAP(n_neighbors=min(15, len(rows) - 1), min_dist=0.1, random_state=int(seed), n_jobs=1)
    points = mapper.fit_transform(rows)
    aside = Path(found).with_suffix(".part.npy")
    np.save(aside, points.astype(np.float32))
    aside.rename(found)


if __name__ == "__main__":
    main(*sys.argv[1:])
