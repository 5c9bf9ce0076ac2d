"""Every rigorous bound against simulation: the failure rate at its size, and at the Gaussian size.

Run ``python benchmarks/bench_capacity_bounds.py [-o FOLDER]``: prints a table, writes it as JSON with a figure. At the
rigorous size the failure rate must be at most the error (0.1); at the Gaussian size it should be close to it.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed
from matplotlib.figure import Figure

from hdc import bounds
from hdc.apps.capacity import display
from hdc.apps.capacity.experiments import Experiment
from hdc.apps.capacity.results import Point
from hdc.errors import UnsupportedError

ERROR, TRIALS, SEED = 0.1, 1000, 0
SET = {"items": 50, "universe": 500}
COUNT = {"items": 50, "overlap": 20, "universe": 500}
PAIRS = {"items": 20, "universe": 500}
TREE = {"items": 5, "depth": 2, "universe": 500}
ONES = bounds.best_ones(500, ERROR)
SUMS = ("MAP-I", "MBAT")

SETTINGS: list[tuple[str, str, dict[str, Any]]] = [
    *(("membership", model, SET) for model in ("MAP-I", "MAP-B", "MBAT", "Hopfield", "Hopfield±")),
    *(("membership", model, {**SET, "ones": ONES}) for model in ("Bloom", "CountingBloom")),
    *(("intersection", model, {**COUNT, "tolerance": 10}) for model in (*SUMS, "MAP-B")),
    *(("intersection", model, {**COUNT, "tolerance": 5}) for model in ("Hopfield", "Hopfield±")),
    ("intersection", "Bloom", {**COUNT, "tolerance": 10, "ones": 60}),
    ("intersection", "CountingBloom", {**COUNT, "tolerance": 10, "ones": 6}),
    *(("key-value", model, PAIRS) for model in (*SUMS, "MAP-B")),
    ("bindings", "MAP-I", {"items": 20, "universe": 40, "factors": 2}),
    *(("sequence", model, PAIRS) for model in SUMS),
    *(("nested", model, TREE) for model in (*SUMS, "MAP-B")),
    *(("nested", model, {**TREE, "ones": ONES}) for model in ("Bloom", "CountingBloom")),
    ("nested", "MAP-B", {"items": 4, "shape": "chain", "universe": 500}),
]
"""MAP-B's bindings with a factor of their own are left out: that bound is its membership bound."""


def size(task: str, model: str, parameters: dict[str, Any], kind: str) -> int | None:
    asked = {"intersection": None, "bindings": 2}.get(task, parameters["universe"])
    others = {name: value for name, value in parameters.items() if name != "universe"}
    try:
        return int(bounds.dimension(task, model, universe=asked, error=ERROR, bound=kind, **others))
    except UnsupportedError:
        return None


def measure(task: str, model: str, parameters: dict[str, Any], dim: int | None) -> Point | None:
    if dim is None:
        return None
    return Experiment(task, {**parameters, "model": model, "dim": dim}, SEED).measure(TRIALS)


def figure(rows: list[tuple[str, Point | None, Point | None]], path: Path) -> None:
    drawn = Figure(figsize=(7, 0.24 * len(rows) + 1.2), layout="constrained")
    axes = drawn.add_subplot()
    axes.axvline(ERROR, color="black", linewidth=1, linestyle="--")
    axes.axvspan(1e-3, ERROR, color="#eeeeee", zorder=0)
    for place, marker, fill, label in ((1, "s", "black", "rigorous size"), (2, "o", "white", "Gaussian size")):
        points = [(y, row[place]) for y, row in enumerate(rows) if row[place] is not None]
        x = [max(point.failure, 1e-3) for _, point in points]
        ends = [point.failure_interval() for _, point in points]
        spread = [
            [v - max(low, 1e-3) for v, (low, _) in zip(x, ends, strict=True)],
            [high - v for v, (_, high) in zip(x, ends, strict=True)],
        ]
        style = {"marker": marker, "markerfacecolor": fill, "color": "black", "linewidth": 0, "elinewidth": 1}
        axes.errorbar(x, [y + 0.18 * (2 * place - 3) for y, _ in points], xerr=spread, label=label, **style)
    axes.set_xscale("log")
    axes.set_xlim(9e-4, 0.5)
    axes.set_yticks(range(len(rows)), [row[0] for row in rows], fontsize=8)
    axes.set_ylim(len(rows) + 1.6, -0.8)
    axes.set_xlabel(f"failure rate (share of {TRIALS} trials, 95 % interval; 0 is drawn at the left edge)")
    axes.set_title(f"allowed failure rate {ERROR} (dashed): measured at the size that each bound gives", fontsize=9)
    axes.legend(fontsize=8, loc="lower left", ncols=2)
    drawn.savefig(path, dpi=150)


def row_of(setting: tuple[str, str, dict[str, Any]], sizes: tuple[Any, Any], points: tuple[Any, Any]) -> list[Any]:
    task, model, parameters = setting
    cells: list[Any] = [task, model, " ".join(f"{k}={v}" for k, v in parameters.items())]
    for dim, point in zip(sizes, points, strict=True):
        interval = None if point is None else "{:.3f}-{:.3f}".format(*point.failure_interval())
        cells += [dim, None if point is None else point.failure, interval]
    held = points[0].failure_interval()[0] <= ERROR
    return [*cells, "yes" if held else "NO"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("."), help="folder for the JSON file and the figure")
    folder = parser.parse_args().output
    began = time.perf_counter()
    sizes = [(size(*setting, "rigorous"), size(*setting, "gaussian")) for setting in SETTINGS]
    jobs = [(*setting, dim) for setting, pair in zip(SETTINGS, sizes, strict=True) for dim in pair]
    measured = Parallel(n_jobs=-1)(delayed(measure)(*job) for job in jobs)
    points = list(zip(measured[::2], measured[1::2], strict=True))
    heading = ("task", "model", "parameters", "rigorous m", "failure", "95 %", "Gaussian m", "failure", "95 %", "holds")
    rows = [row_of(*parts) for parts in zip(SETTINGS, sizes, points, strict=True)]
    print(f"allowed failure rate {ERROR}, {TRIALS} trials a point, seed {SEED}")
    print("\n".join(display.text((heading, rows))))
    print(f"{time.perf_counter() - began:.0f} s")
    (folder / "capacity_bounds.json").write_text(json.dumps([list(heading), *rows], ensure_ascii=False, indent=1))
    labels = [f"{task}, {model}" + (" (chain)" if "shape" in p else "") for task, model, p in SETTINGS]
    figure([(label, *pair) for label, pair in zip(labels, points, strict=True)], folder / "capacity_bounds.png")


if __name__ == "__main__":
    main()
