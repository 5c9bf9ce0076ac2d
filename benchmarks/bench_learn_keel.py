"""Accuracy on 25 KEEL sets: ours, the published intRVFL and intRVFL + GLVQ, scikit-learn and the methods of torchhd.

Every method sees the same stratified folds, learns its scaling and its parameters from the training part of each
(inner cross-validation on at most ``SEARCHED`` rows), and predicts the rest. The published columns come from the
authors' result files (Kleyko et al. 2020, Diao et al. 2021), on UCI's copies of the sets and on other folds.
Results are kept in a JSON file after each fold, so that a run that was stopped goes on.

Run: ``HDC_BENCH_DATA=... python benchmarks/bench_learn_keel.py [--sets wine,sonar] [--methods ...] [--jobs 2]``.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from learn_data import digits, keel, keel_folder, mnist, mnist_file
from sklearn.model_selection import StratifiedKFold

PUBLISHED = {
    "letter": (0.8187, 0.9130),
    "optdigits": (0.9641, 0.9540),
    "penbased": (0.9668, 0.9669),
    "satimage": (0.8779, 0.8871),
    "segment": (0.9662, 0.9692),
    "vowel": (0.9762, 0.9978),
    "spambase": (0.9069, 0.9211),
    "ring": (0.9774, 0.9801),
    "twonorm": (0.9752, 0.9759),
    "movement_libras": (0.7972, 0.8267),
    "ionosphere": (0.9102, 0.9489),
    "sonar": (0.8192, 0.8327),
    "wdbc": (0.9570, 0.9665),
    "vehicle": (0.7777, 0.7467),
    "pima": (0.7310, 0.7456),
    "wine": (0.9909, 0.9852),
    "magic": (0.8546, 0.8493),
    "mushroom": (0.9983, 1.0000),
    "chess": (0.9768, 0.9658),
    "splice": (0.9458, 0.9247),
    "tic-tac-toe": (0.9738, 0.9757),
    "german": (0.7588, 0.7616),
    "titanic": (0.7786, 0.7884),
    "monk-2": (0.9060, 0.9593),
    "mammographic": (0.8088, 0.8158),
}
"""The published accuracies of intRVFL and of intRVFL + GLVQ."""

UNKNOWN = (float("nan"), float("nan"))

OTHERS = ("digits", "mnist5k")
"""Sets without published accuracies, if they are asked for: see ``learn_data.py``."""

OURS = ("hdc", "hdc signs", "hdc default")
SCIKIT = ("logistic", "RBF SVM", "boosting")
TORCHHD = ("Vanilla", "AdaptHD", "LeHDC", "OnlineHD", "NeuralHD", "DistHD", "IntRVFL")
METHODS = (*OURS, *SCIKIT, *TORCHHD)

FOLDS = 4

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HDC_THREADS": "1"}
"""Environment of the processes that measure."""

Results = dict[str, dict[str, dict[str, list[float]]]]
"""By set and method, the accuracy and the seconds of each fold: ``results[name][method]["right" or "seconds"]``."""


def method(name: str) -> Any:
    """Return the function of training table, test table and seed that predicts by a method."""
    if name in OURS:
        import learn_ours

        return learn_ours.METHODS[name]
    import learn_rivals

    return {**learn_rivals.SCIKIT, **learn_rivals.TORCHHD}[name]


def _mnist_file() -> Path:
    path = mnist_file()
    if path is None:
        raise FileNotFoundError("mnist5k was asked for, and is not there")
    return path


def measured(folder: Path, name: str, by: str, fold: int) -> tuple[float, float]:
    """Return the accuracy of a method on one fold of a set, and the seconds of processor time that took."""
    table = digits() if name == "digits" else mnist(_mnist_file()) if name == "mnist5k" else keel(folder, name)
    splits = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(table.labels, table.labels)
    known, new = list(splits)[fold]
    run = method(by)
    begun = time.process_time()
    found = run(table.rows(known), table.rows(new), fold)
    return float((found == table.labels[new]).mean()), time.process_time() - begun


def _single_thread() -> None:
    import torch

    torch.set_num_threads(1)


def fill(folder: Path, results: Results, cache: Path, sets: Sequence[str], methods: Sequence[str], jobs: int) -> None:
    """Measure what the results lack, and write them after each fold."""
    missing = [
        (name, by, fold)
        for name in sets
        for by in methods
        for fold in range(len(results.get(name, {}).get(by, {}).get("right", [])), FOLDS)
    ]
    parts: dict[tuple[str, str], dict[int, tuple[float, float]]] = {}
    os.environ.update(ONE_THREAD)
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_single_thread) as pool:
        asked = {pool.submit(measured, folder, *case): case for case in missing}
        for number, done in enumerate(as_completed(asked), 1):
            name, by, fold = asked[done]
            if done.exception():
                pool.shutdown(cancel_futures=True)
                raise RuntimeError(f"{by} failed on fold {fold} of {name}") from done.exception()
            parts.setdefault((name, by), {})[fold] = done.result()
            known = results.setdefault(name, {}).setdefault(by, {"right": [], "seconds": []})
            while (fold := len(known["right"])) in parts[name, by]:
                right, seconds = parts[name, by][fold]
                known["right"].append(right)
                known["seconds"].append(seconds)
            part = cache.with_suffix(".part")
            part.write_text(json.dumps(results, indent=1))
            part.replace(cache)
            print(f"{number}/{len(missing)} {name}, {by}: {parts[name, by][asked[done][2]][0]:.4f}", flush=True)


def finished(results: Results, sets: Sequence[str], methods: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the sets of which all folds are measured by all methods, and the others."""
    done = {
        name: all(len(results.get(name, {}).get(by, {}).get("right", [])) == FOLDS for by in methods) for name in sets
    }
    return [name for name in sets if done[name]], [name for name in sets if not done[name]]


def table(results: Results, sets: Sequence[str], methods: Sequence[str]) -> str:
    """Return a table in Markdown: each set, the mean of all, and the seconds."""
    names = ["intRVFL", "intRVFL+GLVQ", *methods]
    lines = ["| set | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    means = {by: [float(np.mean(results[name][by]["right"])) for name in sets] for by in methods}
    means["intRVFL"], means["intRVFL+GLVQ"] = ([PUBLISHED.get(name, UNKNOWN)[i] for name in sets] for i in range(2))
    for i, name in enumerate(sets):
        row = {by: means[by][i] for by in names}
        best = np.nanmax(list(row.values()))
        cells = [f"**{value:.3f}**" if value >= best - 5e-4 else f"{value:.3f}" for value in row.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines.append("| **mean** | " + " | ".join(f"{np.mean(means[by]):.4f}" for by in names) + " |")
    seconds = [f"{sum(sum(results[name][by]['seconds']) for name in sets):.0f}" for by in methods]
    lines.append("| seconds, all folds | – | – | " + " | ".join(seconds) + " |")
    return "\n".join(lines)


def losses(results: Results, sets: Sequence[str], methods: Sequence[str], ours: str) -> str:
    """Say on how many sets ours is ahead of others, level with them, or behind."""
    lines = [f"{ours} on {len(sets)} sets (level: within two standard errors of the difference over folds)"]
    for by in (other for other in methods if other != ours):
        ahead, behind = [], []
        for name in sets:
            apart = np.subtract(results[name][ours]["right"], results[name][by]["right"])
            if abs(apart.mean()) <= 2 * apart.std(ddof=1) / np.sqrt(FOLDS) or abs(apart.mean()) < 1e-9:
                continue
            (ahead if apart.mean() > 0 else behind).append((float(apart.mean()), name))
        worst = ", ".join(f"{name} {apart:+.3f}" for apart, name in sorted(behind))
        level = len(sets) - len(ahead) - len(behind)
        lines.append(f"- {by}: ahead {len(ahead)}, level {level}, behind {len(behind)}" + f": {worst}" * bool(worst))
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join(PUBLISHED), help="names with commas between them")
    parser.add_argument("--methods", default=",".join(METHODS), help="names with commas between them")
    parser.add_argument("--jobs", type=int, default=1, help="processes of one thread each")
    parser.add_argument("--cache", type=Path, default=Path("bench_learn_keel.json"), help="file of the results")
    parser.add_argument("--report", action="store_true", help="measure nothing: print the sets that are finished")
    options = parser.parse_args()
    folder = keel_folder()
    if folder is None:
        return
    sets, methods = options.sets.split(","), options.methods.split(",")
    if unknown := [name for name in sets if name not in (*PUBLISHED, *OTHERS)] + [
        by for by in methods if by not in METHODS
    ]:
        parser.error(f"{unknown[0]!r} is none of {', '.join((*PUBLISHED, *OTHERS))}; methods are {', '.join(METHODS)}")
    results: Results = json.loads(options.cache.read_text()) if options.cache.exists() else {}
    if options.report:
        sets, missing = finished(results, sets, methods)
        print(f"{len(sets)} sets are measured by all methods" + f", not yet {', '.join(missing)}" * bool(missing))
    else:
        fill(folder, results, options.cache, sets, methods, options.jobs)
    if not sets:
        return
    print(table(results, sets, methods))
    for ours in (by for by in OURS if by in methods):
        print()
        print(losses(results, sets, methods, ours))


if __name__ == "__main__":
    main()
