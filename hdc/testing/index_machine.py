"""Any sequence of changes of an index, and searches and a reader in between, by Hypothesis."""

from typing import Any

from hdc.errors import ParameterError
from hdc.testing.index_cases import ROWS, Held, Pair, Place, check_content, check_search

KEYS = "abcdefgh"


def check_machine(place: Place) -> str | None:
    """Run sequences of changes; return why not, if the library is not there.

    Raises
    ------
    AssertionError
        If a sequence makes the index other than the dict; the shortest one found is printed.
    """
    try:
        from hypothesis import HealthCheck, settings
        from hypothesis.stateful import run_state_machine_as_test
    except ImportError:
        return "it needs the library hypothesis: pip install hypothesis"
    chosen = settings(
        max_examples=8 * place.times,
        stateful_step_count=15 if place.times == 1 else 40,
        deadline=None,
        derandomize=place.times == 1,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine_of(place), settings=chosen)
    return None


def machine_of(place: Place) -> Any:
    """Return a state machine of a place; each run has an index of its own."""
    from hypothesis import strategies as st
    from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

    case, numbers = place.case, st.integers(0, ROWS - 1)

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.place = place.another()
            self.pair = Pair(case, case.create(self.place.path))
            self.reader = None if place.path is None else self.place.open()
            self.seen: Held = {}

        def teardown(self) -> None:
            self.pair.index.close()
            if self.reader is not None:
                self.reader.close()

        def some(self, data: Any, least: int = 0, most: int = 6) -> list[int]:
            """Draw some ids that are there."""
            ids = st.sampled_from(sorted(self.pair.held))
            return data.draw(st.lists(ids, min_size=least, max_size=most, unique=True))  # type: ignore[no-any-return]

        @rule(rows=st.lists(numbers, max_size=5))
        def add(self, rows: list[int]) -> None:
            self.pair.add(rows)

        @rule(first=numbers, count=st.sampled_from([20, 60]))
        def add_many(self, first: int, count: int) -> None:
            self.pair.add([(first + i) % ROWS for i in range(count)])

        @rule(batch=st.dictionaries(st.sampled_from(KEYS), numbers, max_size=4))
        def add_with_keys(self, batch: dict[str, int]) -> None:
            taken = {key for _, key in self.pair.held.values()}
            if taken.isdisjoint(batch):
                self.pair.add(list(batch.values()), list(batch))
                return
            try:
                case.add(self.pair.index, list(batch.values()), list(batch))
            except ParameterError:
                return
            raise AssertionError(f"one of the keys {list(batch)} was there, and rows were added")

        @rule(batch=st.dictionaries(st.sampled_from(KEYS), numbers, max_size=4))
        def put(self, batch: dict[str, int]) -> None:
            self.pair.put(list(batch.values()), list(batch))

        @precondition(lambda self: case.updates and self.pair.held)
        @rule(data=st.data(), row=numbers)
        def update(self, data: Any, row: int) -> None:
            ids = self.some(data)
            self.pair.update(ids, [(row + i) % ROWS for i in range(len(ids))])

        @precondition(lambda self: self.pair.held)
        @rule(data=st.data(), by_key=st.booleans())
        def remove(self, data: Any, by_key: bool) -> None:
            ids = self.some(data)
            keys = [key for key in (self.pair.held[number][1] for number in ids) if key is not None]
            self.pair.remove([i for i in ids if not by_key or self.pair.held[i][1] is None], keys if by_key else [])

        @rule()
        def compact(self) -> None:
            self.pair.index.compact()

        @rule()
        def verify(self) -> None:
            self.pair.index.verify()

        @precondition(lambda self: self.reader)
        @rule()
        def reopen(self) -> None:
            self.pair.reopen(self.place)

        @precondition(lambda self: self.reader)
        @rule()
        def refresh(self) -> None:
            assert self.reader is not None
            self.reader.refresh()
            self.seen = dict(self.pair.held)

        @rule(query=numbers, k=st.integers(1, 60))
        def search(self, query: int, k: int) -> None:
            check_search(case, self.pair.index, self.pair.held, query, k)

        @precondition(lambda self: case.chooses and self.pair.held)
        @rule(data=st.data(), query=numbers, k=st.integers(1, 8))
        def search_among(self, data: Any, query: int, k: int) -> None:
            check_search(case, self.pair.index, self.pair.held, query, k, self.some(data, 1, 9))

        @invariant()
        def holds_what_the_dict_holds(self) -> None:
            self.pair.check([len(self.pair.held) % ROWS])
            if self.reader is not None:
                check_content(case, self.reader, self.seen)
                check_search(case, self.reader, self.seen, 3, 5)

    return Machine
