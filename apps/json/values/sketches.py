"""Summaries of a stream in bounded memory: counts of frequent entries, and a uniform sample of numbers.

Both can be merged, so other processes can summarize parts of a stream. Both are deterministic: the same stream, cut and
merged in the same way, gives the same summary.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Generic, Self, TypeVar

import numpy as np

Group = TypeVar("Group", bound=Hashable)
Item = TypeVar("Item", bound=Hashable)

KEPT = 1 << 18
"""Most counters after a pruning; at most twice as many are held."""

SAMPLE = 4096
"""Numbers per group to keep: a uniform sample."""

SAMPLED = 1 << 20
"""Numbers of all groups to keep; beyond it, groups of which few numbers were seen are dropped."""


class Counts(Generic[Group, Item]):
    """Count items by group: a Misra-Gries summary, mergeable after Agarwal et al. 2012.

    Whenever more than ``2 KEPT`` counters are held, the count of the largest one beyond ``KEPT`` is taken off
    all of them and those that fall to zero are dropped.

    Attributes
    ----------
    error : int
        No count is too high, and none is lower than the truth by more than this; at most the number of
        occurrences so far divided by ``KEPT``. 0 as long as nothing was dropped.
    """

    def __init__(self) -> None:
        self.error = 0
        self._groups: dict[Group, dict[Item, int]] = {}
        self._held = 0

    def add(self, group: Group, items: Iterable[Item]) -> None:
        """Count each of ``items`` once more."""
        self.count(group, Counter(items))

    def merge(self, other: "Counts[Group, Item]") -> None:
        """Add the counts, and the error, of another summary."""
        self.error += other.error
        for group, counts in other._groups.items():
            self.count(group, counts)

    def count(self, group: Group, counts: Mapping[Item, int]) -> None:
        """Add a number to the count of each item."""
        known = self._groups.get(group)
        if known is None:
            self._groups[group] = dict(counts)
            self._held += len(counts)
        else:
            before = len(known)
            for item, count in counts.items():
                known[item] = known.get(item, 0) + count
            self._held += len(known) - before
        if self._held > 2 * KEPT:
            self._prune()

    def _prune(self) -> None:
        counts = np.fromiter((count for _, _, count in self), np.int64, self._held)
        excess = int(np.partition(counts, len(counts) - KEPT - 1)[len(counts) - KEPT - 1])
        self.error += excess
        left = {
            group: {item: count - excess for item, count in known.items() if count > excess}
            for group, known in self._groups.items()
        }
        self._groups = {group: known for group, known in left.items() if known}
        self._held = sum(map(len, self._groups.values()))

    def restore(self, error: int, groups: Iterable[tuple[Group, Mapping[Item, int]]]) -> None:
        """Become the summary that :meth:`groups` and ``error`` are of."""
        self.error = error
        for group, counts in groups:
            self.count(group, counts)

    def groups(self) -> Iterable[tuple[Group, Mapping[Item, int]]]:
        """Return each group and the counts of its items."""
        return self._groups.items()

    def __iter__(self) -> Iterator[tuple[Group, Item, int]]:
        """Yield group, item and count."""
        for group, known in self._groups.items():
            for item, count in known.items():
                yield group, item, count


_UNDRAWN = Random(0).getstate()


class Sample:
    """A uniform sample of a stream of numbers (reservoir; Vitter 1985).

    Attributes
    ----------
    values : list of int or float
        At most ``SAMPLE``.
    seen : int
        Numbers of the stream.
    """

    def __init__(self) -> None:
        self.values: list[int | float] = []
        self.seen = 0
        self._random = Random(0)

    def add(self, value: int | float) -> None:
        """Take a number of the stream."""
        self.seen += 1
        if len(self.values) < SAMPLE:
            self.values.append(value)
        elif (slot := self._random.randrange(self.seen)) < SAMPLE:
            self.values[slot] = value

    def merge(self, other: "Sample") -> None:
        """Become a uniform sample of both streams: draws come from each in proportion to its length."""
        seen = self.seen + other.seen
        if seen <= SAMPLE:
            self.values += other.values
        else:
            values: list[int | float] = []
            mine, theirs = self.seen, other.seen
            ours, others = self._shuffled(self.values), self._shuffled(other.values)
            while len(values) < SAMPLE:
                if self._random.randrange(mine + theirs) < mine:
                    values.append(ours.pop())
                    mine -= 1
                else:
                    values.append(others.pop())
                    theirs -= 1
            self.values = values
        self.seen = seen

    @property
    def state(self) -> tuple[int, ...] | None:
        """Where the random numbers are: 625 integers; None where none was drawn."""
        state = self._random.getstate()
        return None if state == _UNDRAWN else state[1]

    def restore(self, values: list[int | float], seen: int, state: Sequence[int] | None) -> Self:
        """Become a sample of what these say; return this one.

        Raises
        ------
        ValueError
            If they contradict each other, or are not a state.
        """
        if len(values) != min(seen, SAMPLE):
            raise ValueError(f"a sample of {seen} numbers cannot have {len(values)}")
        self.values, self.seen = values, seen
        if state is not None:
            self._random.setstate((_UNDRAWN[0], tuple(state), None))
        return self

    def _shuffled(self, values: list[int | float]) -> list[int | float]:
        return self._random.sample(values, len(values))


class Samples(Generic[Group]):
    """Samples by group: at most ``SAMPLED`` numbers together."""

    def __init__(self) -> None:
        self._groups: dict[Group, Sample] = {}
        self._held = 0

    def add(self, group: Group, value: int | float) -> None:
        """Take a number of the stream of ``group``."""
        sample = self._groups.get(group)
        if sample is None:
            sample = self._groups[group] = Sample()
        before = len(sample.values)
        sample.add(value)
        if len(sample.values) > before:
            self._grown(1)

    def merge(self, other: "Samples[Group]") -> None:
        """Merge group by group."""
        for group, sample in other._groups.items():
            mine = self._groups.setdefault(group, Sample())
            before = len(mine.values)
            mine.merge(sample)
            self._grown(len(mine.values) - before)

    def restore(self, group: Group, sample: Sample) -> None:
        """Take the sample of a group that is not there yet."""
        self._groups[group] = sample
        self._grown(len(sample.values))

    def _grown(self, count: int) -> None:
        self._held += count
        if self._held <= SAMPLED:
            return
        order = sorted(self._groups, key=lambda group: (self._groups[group].seen, repr(group)))
        for group in order:
            self._held -= len(self._groups.pop(group).values)
            if self._held <= SAMPLED // 2:
                return

    def __iter__(self) -> Iterator[tuple[Group, Sample]]:
        """Yield group and sample."""
        yield from self._groups.items()
