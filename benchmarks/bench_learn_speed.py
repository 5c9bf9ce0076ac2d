"""Speed of learning and prediction beside torchhd, with the same encoder, rule and dimension, on one thread.

Encoder of both: a record of levels, ``sign(sum of role * level)``, of columns scaled to -1 .. 1, 10,000 dimensions.
Rules: the centroid (torchhd's Vanilla), and AdaptHD with as many passes. Each encodes as it does: torchhd in floats,
for AdaptHD again in each pass; ours once, in bits, and class vectors are averaged over the passes. "learning alone"
leaves the encoding out. Prediction is from columns to classes; ours by class vectors of floats, and of one bit
(``BitClassifier``). The parts take turns in rounds, and the median of the processor time counts, which other processes
disturb less than the clock. The sets: made-up voices like ISOLET (26 classes, 617 columns), and MNIST if it is there.

``--stream N`` learns N made-up rows by ``partial_fit`` instead, and prints rows/s, the accuracy on rows before they
are learned from, and the greatest memory of the process so far.

Run: ``python benchmarks/bench_learn_speed.py [--train 1000 --test 500] [--stream 10000000]``;
``HDC_BENCH_MNIST`` names MNIST's file (see ``learn_data.py``).
"""

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from learn_data import Table, mnist, mnist_file
from measuring import Run, use_threads, versions
from torchhd import classifiers

from hdc.apps.learn import BitClassifier, Features, HDClassifier

DIM = 10_000
EPOCHS = 3
BATCH = 1
"""Rows that torchhd encodes at a time: more of them need new memory each time, which takes about twice as long."""

CODED_BATCH = 100
"""Encoded rows that torchhd takes at a time."""

classifiers.trange = lambda *ends, desc: range(*ends)  # no bar for each fit

Reals = npt.NDArray[np.float64]


def voices(rows: int, seed: int = 0) -> Table:
    """Return made-up spectra: each class has two smooth curves, one of which a row follows, with noise and a tilt."""
    rng, columns, classes = np.random.default_rng(seed), 617, 26
    curves = np.cumsum(rng.normal(size=(classes, 2, columns)), axis=2)
    curves -= curves.mean(axis=2, keepdims=True)
    curves /= curves.std(axis=2, keepdims=True)
    labels = rng.permutation(np.arange(rows) % classes)
    tilt = rng.normal(0, 0.3, (rows, 1)) * np.linspace(-1, 1, columns)
    numbers = curves[labels, rng.integers(0, 2, rows)] + tilt + rng.normal(0, 0.6, (rows, columns))
    return Table("voices", numbers, np.empty((rows, 0), dtype=np.str_), labels.astype(np.int64))


def scaled(x: Reals, test: Reals) -> tuple[Reals, Reals]:
    """Return columns from -1 to 1, by the range of the first rows."""
    low, width = x.min(axis=0), np.ptp(x, axis=0)
    width = np.where(width > 0, width, 1.0)
    return tuple(np.clip(2 * (part - low) / width - 1, -1, 1) for part in (x, test))  # type: ignore[return-value]


def batches(x: torch.Tensor, labels: npt.NDArray[np.int64], size: int = BATCH) -> list[tuple[Any, Any]]:
    """Return what torchhd learns from."""
    return list(zip(x.split(size), torch.from_numpy(labels).split(size), strict=True))


def theirs(rule: str, columns: int, classes: int, coded: bool = False) -> Any:
    """Return a classifier of torchhd that has learned nothing; one that takes encoded rows, if asked."""
    torch.manual_seed(0)
    if rule == "centroid":
        model = classifiers.Vanilla(columns, DIM, classes)
    else:
        model = classifiers.AdaptHD(columns, DIM, classes, epochs=EPOCHS)
    if coded:
        model.encoder = lambda rows: rows
    return model


def ours(rule: str, encoder: Any) -> HDClassifier:
    """Return our classifier with the same rule and passes, that has learned nothing."""
    return HDClassifier(encoder, rule=rule, epochs=EPOCHS, calibration=0)


def guessed(model: Any, x: torch.Tensor) -> Any:
    """Return what a model of torchhd predicts, batch by batch."""
    with torch.no_grad():
        return torch.cat([torch.as_tensor(model.predict(part)) for part in x.split(BATCH)]).numpy()


def processor_seconds(parts: dict[str, Run], rounds: int) -> dict[str, float]:
    """Return the median processor time of each part, all of which take their turn in each round."""
    seconds: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(rounds):
        for name, run in parts.items():
            begun = time.process_time()
            run()
            seconds[name].append(time.process_time() - begun)
    return {name: statistics.median(times) for name, times in seconds.items()}


def compare(table: Table, train: int, test: int, rounds: int) -> None:
    """Print what learning and predicting take, the accuracy, and the bytes of the models."""
    order = np.random.default_rng(1).permutation(len(table))
    known, new = table.rows(order[:train]), table.rows(order[train : train + test])
    x, z = scaled(known.numbers, new.numbers)
    tx, tz = torch.from_numpy(x.astype(np.float32)), torch.from_numpy(z.astype(np.float32))
    columns, classes = x.shape[1], table.classes
    print(f"\n{table.name}: {columns} columns, {classes} classes, {len(known)} rows learned, {len(new)} predicted")
    print("| rule | part | hdc rows/s | torchhd rows/s | times as fast |\n|---|---|---|---|---|")
    for rule in ("centroid", "adapt"):
        features = Features(DIM, numeric="level", ranges=(-1, 1))
        fitted = ours(rule, features).fit(x, known.labels)
        on_bits = BitClassifier.of_classifier(fitted, 1, x)
        rows, alone = features.transform(x), ours(rule, features.vsa)
        peer = theirs(rule, columns, classes).fit(batches(tx, known.labels))
        with torch.no_grad():
            coded = torch.cat([peer.encoder(part).as_subclass(torch.Tensor) for part in tx.split(BATCH)])
        coded_batches = batches(coded, known.labels, CODED_BATCH)
        parts = {
            "learn hdc": lambda rule=rule, features=features: ours(rule, features).fit(x, known.labels),
            "learn torchhd": lambda rule=rule: theirs(rule, columns, classes).fit(batches(tx, known.labels)),
            "alone hdc": lambda rows=rows, alone=alone: alone.fit(rows, known.labels),
            "alone torchhd": lambda rule=rule, b=coded_batches: theirs(rule, columns, classes, True).fit(b),
            "floats hdc": lambda fitted=fitted: fitted.predict(z),
            "bits hdc": lambda on_bits=on_bits: on_bits.predict(z),
            "predict torchhd": lambda peer=peer: guessed(peer, tz),
        }
        seconds = processor_seconds(parts, rounds)
        for title, mine, other, count in (
            (f"learning, {EPOCHS if rule == 'adapt' else 1} passes", "learn hdc", "learn torchhd", len(known)),
            ("learning alone, rows encoded", "alone hdc", "alone torchhd", len(known)),
            ("prediction, class vectors of floats", "floats hdc", "predict torchhd", len(new)),
            ("prediction on bits", "bits hdc", "predict torchhd", len(new)),
        ):
            a, b = count / seconds[mine], count / seconds[other]
            print(f"| {rule} | {title} | {a:,.0f} | {b:,.0f} | {a / b:.1f} |")
        right = [float((found == new.labels).mean()) for found in (fitted.predict(z), on_bits.predict(z))]
        right.append(float((guessed(peer, tz) == new.labels).mean()))
        size = sum(p.numel() * p.element_size() for p in peer.parameters())
        print(f"\naccuracy: hdc {right[0]:.3f}, on bits {right[1]:.3f}, torchhd {right[2]:.3f}")
        print(f"bytes with the encoder: hdc on bits {on_bits.bytes:,}, torchhd {size:,} ({size / on_bits.bytes:.1f} x)")
        print(f"bytes of class vectors: hdc on bits {on_bits.planes.nbytes:,}, torchhd {classes * DIM * 4:,}\n")


def endless(columns: int, classes: int, batch: int) -> Iterator[tuple[Reals, npt.NDArray[np.int64]]]:
    """Yield batches of made-up rows: four clusters a class in the unit cube."""
    rng = np.random.default_rng(0)
    centers = rng.random((classes, 4, columns))
    while True:
        labels = rng.integers(0, classes, batch)
        around = centers[labels, rng.integers(0, 4, batch)]
        yield around + rng.normal(0, 0.15, (batch, columns)), labels


def stream(total: int, dim: int = 1024, columns: int = 16, classes: int = 10, batch: int = 10_000) -> None:
    """Learn from so many rows, a batch at a time, and print how it goes on."""
    model = HDClassifier(Features(dim, ranges=(0, 1)))
    begun, said, right, seen, done = time.perf_counter(), 0.0, 0, 0, 0
    for x, labels in endless(columns, classes, batch):
        x, labels = x[: total - done], labels[: total - done]
        if done:
            right += int((model.predict(x) == labels).sum())
            seen += len(x)
        model.partial_fit(x, labels, classes=list(range(classes)))
        done += len(x)
        spent = time.perf_counter() - begun
        if spent - said > 10 or done >= total or done == batch:
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
                1 << 20 if sys.platform == "darwin" else 1024
            )
            accuracy = f"{right / seen:.4f}" if seen else "-"
            print(
                f"{done:,} of {total:,} rows ({done / total:.0%}), {done / spent:,.0f} rows/s, accuracy on rows before "
                f"they are learned {accuracy}, greatest memory {memory:.0f} MB",
                flush=True,
            )
            said, right, seen = spent, 0, 0
        if done >= total:
            return


def main() -> None:
    """Print the comparison, or the stream."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=int, default=1000, help="rows learned from")
    parser.add_argument("--test", type=int, default=500, help="rows predicted")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stream", type=int, default=0, metavar="N", help="learn N rows by partial_fit instead")
    options = parser.parse_args()
    use_threads(1)
    if options.stream:
        stream(options.stream)
        return
    print(", ".join(f"{key} {value}" for key, value in versions().items()))
    compare(voices(options.train + options.test), options.train, options.test, options.rounds)
    path = mnist_file()
    if path is not None:
        compare(mnist(path), options.train, options.test, options.rounds)


if __name__ == "__main__":
    main()
