"""Keep benchmark ratios over time: append a line per run, draw all lines.

``python benchmarks/history.py`` runs ``bench_kernels.py --quick`` (about a minute) and appends a line to
``benchmarks/history.jsonl``: when, commit, machine, versions, and how many times longer each rival took. Pass
``--from FILE`` to append what ``bench_kernels.py --json FILE`` or ``bench_models.py --json FILE`` wrote instead.
``--draw FILE`` draws the file as a figure, and appends nothing.

Compare points of one machine only: ratios depend on the processor. A run whose answers differ is refused.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
KEPT = HERE / "history.jsonl"


def ratios(report: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield ``"case, threads: rival"`` and how many times longer the rival took.

    Raises
    ------
    ValueError
        If a case gave another answer than a rival: its time means nothing.
    """
    for row in report.get("results", report.get("rows", [])):
        if not row["equal"]:
            raise ValueError(f"{row['title']}: the answers differ, so the times cannot be compared")
        for rival, seconds in row["rivals"].items():
            yield f"{row['name']}, {row['threads']} thr.: {rival}", round(seconds / row["ours"], 3)


def line(report: dict[str, Any], commit: str, when: datetime) -> dict[str, Any]:
    """Return what is kept of a report."""
    return {
        "when": when.isoformat(timespec="seconds"),
        "commit": commit,
        "versions": report["versions"],
        "ratios": dict(ratios(report)),
    }


def read(path: Path = KEPT) -> list[dict[str, Any]]:
    """Return the lines kept so far."""
    return [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def append(kept: dict[str, Any], path: Path = KEPT) -> None:
    """Append a line."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(kept, ensure_ascii=False) + "\n")


def draw(lines: list[dict[str, Any]], path: Path) -> None:
    """Draw the ratio of each case to its best rival, a column per run, machines in colors."""
    import matplotlib

    matplotlib.use("svg" if path.suffix == ".svg" else "agg")
    matplotlib.rcParams["svg.fonttype"] = "none"  # text stays text
    import matplotlib.pyplot as plt

    best: dict[str, dict[int, float]] = {}
    for run, kept in enumerate(lines):
        for name, ratio in kept["ratios"].items():
            points = best.setdefault(name.rpartition(": ")[0], {})
            points[run] = min(ratio, points.get(run, ratio))
    machines = sorted({kept["versions"]["processor"] for kept in lines})
    figure, axes = plt.subplots(figsize=(9, 0.24 * len(best) + 1.2), layout="constrained")
    for place, points in enumerate(best.values()):
        for run, ratio in points.items():
            machine = machines.index(lines[run]["versions"]["processor"])
            age = (run + 1) / len(lines)
            axes.plot(ratio, place, "o", color=f"C{machine}", alpha=0.25 + 0.75 * age, markersize=5)
    for number, machine in enumerate(machines):
        axes.plot([], [], "o", color=f"C{number}", label=machine)
    axes.axvline(1, color="gray", linewidth=0.8)
    axes.set(xscale="log", xlabel="time of the best rival / ours (darker: newer)", ylim=(len(best) - 0.5, -0.5))
    axes.set_yticks(range(len(best)), list(best), fontsize=7)
    axes.legend(fontsize=7, loc="lower right")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def measured() -> dict[str, Any]:
    """Run the kernels' benchmark and return its report."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        subprocess.run([sys.executable, str(HERE / "bench_kernels.py"), "--quick", "--json", str(report)], check=True)
        return dict(json.loads(report.read_text(encoding="utf-8")))


def main() -> None:
    """Append a run, or draw all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--from", dest="report", type=Path, metavar="FILE", help="append what a benchmark wrote there")
    what.add_argument("--draw", type=Path, metavar="FILE", help="draw all lines as .png or .svg")
    options = parser.parse_args()
    if options.draw:
        draw(read(), options.draw)
        return
    report = json.loads(options.report.read_text(encoding="utf-8")) if options.report else measured()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=HERE, check=True, capture_output=True, text=True
    ).stdout.strip()
    kept = line(report, commit, datetime.now(UTC))
    append(kept)
    print(f"{len(kept['ratios'])} ratios appended to {KEPT.name}")


if __name__ == "__main__":
    main()
