"""Time series of the UCR and UEA archives from files of aeon's wheel, in sktime's text format ``.ts``.

The folder: an option, ``HDC_BENCH_SERIES``, or that of an aeon that is installed (``datasets/data``), found without
importing it. ``pip download --no-deps aeon==1.6.0`` and unpack the wheel to have the files alone.
"""

import importlib.util
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Split(NamedTuple):
    """Series ``(n, channels, length)`` float64 and their labels ``(n,)``."""

    series: Any
    labels: Any


def folder(given: str | None = None) -> Path | None:
    """Return the folder of the data, or None if it is nowhere."""
    if given or os.environ.get("HDC_BENCH_SERIES"):
        return Path(given or os.environ["HDC_BENCH_SERIES"])
    package = importlib.util.find_spec("aeon")
    if package is None or package.origin is None:
        return None
    return Path(package.origin).parent / "datasets" / "data"


def read(path: Path) -> tuple[list[list[Any]], Any]:
    """Return the channels of each series, which may have different lengths, and the labels of a file."""
    series, labels = [], []
    for line in path.read_text().splitlines():
        if not line.strip() or line.lstrip()[0] in "#@":
            continue
        *channels, label = line.strip().split(":")
        series.append([np.array([float(x) if x != "?" else np.nan for x in part.split(",")]) for part in channels])
        labels.append(label)
    return series, np.array(labels)


def load(where: Path, name: str) -> tuple[Split, Split]:
    """Return the training and test series of a set, standardized.

    Series of different lengths are stretched to the longest one, linearly. Series of one channel are standardized one
    by one, as the archive's are (and those of this wheel mostly); others by channel, over the training series.
    """
    parts = [read(where / name / f"{name}_{part}.ts") for part in ("TRAIN", "TEST")]
    longest = max(len(channel) for series, _ in parts for one in series for channel in one)
    train, test = (np.array([[stretched(c, longest) for c in one] for one in series]) for series, _ in parts)
    if train.shape[1] == 1:
        train, test = (X - X.mean(axis=2, keepdims=True) for X in (train, test))
        train, test = (X / np.maximum(X.std(axis=2, keepdims=True), 1e-8) for X in (train, test))
    else:
        mean, spread = train.mean(axis=(0, 2), keepdims=True), train.std(axis=(0, 2), keepdims=True)
        train, test = ((X - mean) / spread for X in (train, test))
    return Split(train, parts[0][1]), Split(test, parts[1][1])


def stretched(channel: Any, length: int) -> Any:
    """Return a channel of another length."""
    return np.interp(np.linspace(0, 1, length), np.linspace(0, 1, len(channel)), channel)
