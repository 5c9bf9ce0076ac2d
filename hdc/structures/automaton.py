"""Automaton: a finite-state machine in one vector."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from hdc.atoms import Name, check_names, encode_name
from hdc.checks import integer
from hdc.errors import EmptyBundleError, ParameterError
from hdc.kernels import Array
from hdc.memory import ItemMemory, Match
from hdc.structures.base import Structure
from hdc.structures.tree import Tree


@dataclass(frozen=True)
class Automaton(Structure):
    """A finite-state machine: the bundle of its transitions, ``role(state), role(symbol) -> next state``.

    A transition is a leaf of a :class:`Tree` of two levels. Each step cleans the state up, so errors do not grow with
    the length of a word: the number of transitions decides.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MAP-B", 2000)
    >>> parity = hdc.Automaton(vsa)
    >>> machine = parity.encode([("even", 1, "odd"), ("odd", 1, "even"), ("even", 0, "even"), ("odd", 0, "odd")])
    >>> states = hdc.ItemMemory(vsa, ["even", "odd"])
    >>> parity.step(machine, "even", 1, states).name
    'odd'
    >>> parity.accepts(machine, "even", [1, 0, 1, 1], accepting=["odd"], memory=states)
    True
    """

    gives: ClassVar[tuple[str, ...]] = ("step", "run", "accepts")

    def encode(self, transitions: Any) -> Array:
        """Return the bundle of the transitions.

        Parameters
        ----------
        transitions : iterable of (state, symbol, next state), or mapping of (state, symbol) to next state
            Names; the next state may be a hypervector, too.

        Returns
        -------
        (storage,) array

        Raises
        ------
        EmptyBundleError
            If there is none.
        ParameterError
            If a transition has not three parts.
        """
        given = list(self._triples(transitions))
        if not given:
            raise EmptyBundleError("an Automaton needs at least one transition, and none was given")
        return self.vsa.bundle(self._bound(given))

    def _triples(self, transitions: Any) -> Iterable[tuple[Any, Any, Any]]:
        if isinstance(transitions, Mapping):
            transitions = [(*_parts(key, 2), target) for key, target in transitions.items()]
        return (_parts(one, 3) for one in check_names(transitions))

    def _bound(self, transitions: list[tuple[Any, Any, Any]]) -> Array:
        paths = [(state, symbol) for state, symbol, _ in transitions]
        return Tree(self.vsa)._placed(paths, self.vectors([target for *_, target in transitions]))

    # ------------------------------------------------------------------ changes

    def add(self, automaton: Array, transitions: Any) -> Array:
        """Return the automaton with more transitions, as :meth:`encode` takes them.

        Raises
        ------
        UnsupportedError
            If the model's bundles lose what is needed; the message names models that keep it.
        """
        return self._added(automaton, self._bound(list(self._triples(transitions))))

    def remove(self, automaton: Array, transitions: Any) -> Array:
        """Return the automaton without transitions; errors as :meth:`add`."""
        return self._removed(automaton, self._bound(list(self._triples(transitions))))

    # ------------------------------------------------------------------ reading

    def step(self, automaton: Array, state: Name, symbol: Name, memory: ItemMemory) -> Match:
        """Return the state of ``memory`` most like the one that follows.

        Parameters
        ----------
        automaton : (storage,) array
        state, symbol : name
        memory : ItemMemory
            Of states.
        """
        return self._cleanup(Tree(self.vsa).subtree(automaton, (state, symbol)), memory)

    def run(
        self, automaton: Array, start: Name, symbols: Iterable[Name], memory: ItemMemory, size: int | None = None
    ) -> list[Match]:
        """Return the states that a word leads through, the start not included.

        Parameters
        ----------
        automaton : (storage,) array
        start : name
        symbols : iterable of names
        memory : ItemMemory
            Of states.
        size : int, optional
            Number of transitions. If given, the run ends at a transition that there is not: one whose state is less
            similar than midway between what :meth:`hdc.VSA.scores` expects of members and others.

        Raises
        ------
        UnsupportedError
            If ``size`` is given and the model does not state its scores.
        """
        least = None if size is None else float(self.vsa.scores(integer(size, "size", 1), read="role").threshold)
        found: list[Match] = []
        for symbol in check_names(symbols):
            match = self.step(automaton, found[-1].name if found else start, symbol, memory)
            if least is not None and match.similarity < least:
                break
            found.append(match)
        return found

    def accepts(
        self,
        automaton: Array,
        start: Name,
        symbols: Iterable[Name],
        accepting: Collection[Name],
        memory: ItemMemory,
        size: int | None = None,
    ) -> bool:
        """Decide whether a word leads from ``start`` to one of the accepting states; see :meth:`run`."""
        word = list(check_names(symbols))
        found = self.run(automaton, start, word, memory, size)
        if len(found) < len(word):
            return False
        last = found[-1].name if found else start
        return encode_name(last) in {encode_name(state) for state in check_names(accepting)}


def _parts(one: Any, count: int) -> tuple[Any, ...]:
    if not isinstance(one, tuple | list) or len(one) != count:
        what = "(state, symbol, next state)" if count == 3 else "(state, symbol)"
        raise ParameterError(f"a transition is {what}, not {one!r}")
    return tuple(one)
