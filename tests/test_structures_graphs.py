"""Graphs, trees, automata and stacks on every model and backend; changes of all structures, and what refuses them."""

import numpy as np
import pytest

import hdc
from hdc import errors
from hdc.structures.base import adds, subtracts
from tests.models import FAMILIES, host, make
from tests.structure_cases import cases

BINDS_VECTORS = [family for family in FAMILIES if "MBAT" not in family]
COMMUTE = [family for family in BINDS_VECTORS if make(family, 100).commutative]
KINDS_OF_SUMS = ("MAP-I", "CountingBloom", "MBAT", "HRR", "VTB", "TVTB", "HLB", "GHRR")
SUMS = [family for family in FAMILIES if family.startswith(KINDS_OF_SUMS) or family in ("FHRR", "GSBC")]
"""Families whose bundle is a sum; that of Bloom takes more members, and loses none."""
NODES = list("abcdefgh")
EDGES = [("a", "b"), ("a", "c"), ("b", "d"), ("e", "a"), ("f", "d"), ("g", "h")]
TREE = {"np": {"det": "the", "noun": "dog"}, "vp": {"verb": "chases", "np": ["a", "cat"]}, "end": "."}
LEAVES = {
    ("np", "det"): "the",
    ("np", "noun"): "dog",
    ("vp", "verb"): "chases",
    ("vp", "np", 0): "a",
    ("vp", "np", 1): "cat",
    ("end",): ".",
}
WORDS = [*LEAVES.values(), "mouse", "an"]
TURNSTILE = {
    ("locked", "coin"): "open",
    ("locked", "push"): "locked",
    ("open", "coin"): "open",
    ("open", "push"): "locked",
}


class Silent(hdc.MAPI):
    """A model that says nothing of its similarities."""

    model = "Silent"
    scores = hdc.VSA.scores


def dim(family):
    """Return a dimension at which all answers are right: dense operators are costly to draw, so less for haar."""
    return 200 if "haar" in family else 2000


def names(matches):
    return {match.name for match in matches}


def assert_same(vsa, actual, expected):
    a, e = host(actual), host(expected)
    if a.dtype.kind == "f":
        np.testing.assert_allclose(a, e, atol=1e-4)
    else:
        assert np.array_equal(a, e)


class TestGraph:
    @cases(BINDS_VECTORS)
    def test_directed(self, family, backend):
        vsa = make(family, dim(family), backend)
        graph, memory = hdc.Graph(vsa, directed=True), hdc.ItemMemory(vsa, NODES)
        vector = graph.encode(EDGES)
        assert names(graph.successors(vector, "a", memory, 2)) == {"b", "c"}
        assert names(graph.predecessors(vector, "d", memory, 2)) == {"b", "f"}
        assert names(graph.neighbors(vector, "a", memory, 3)) == {"b", "c", "e"}
        held = [graph.contains(vector, edge, size=6) for edge in EDGES]
        turned = [graph.contains(vector, edge[::-1], size=6) for edge in EDGES]
        assert (held, turned) == ([True] * 6, [False] * 6)

    @cases(COMMUTE)
    def test_undirected(self, family, backend):
        vsa = make(family, dim(family), backend)
        graph, memory = hdc.Graph(vsa), hdc.ItemMemory(vsa, NODES)
        vector = graph.encode(EDGES)
        assert_same(vsa, vector, graph.encode([edge[::-1] for edge in EDGES]))
        assert names(graph.neighbors(vector, "a", memory, 3)) == {"b", "c", "e"}
        assert graph.successors(vector, "d", memory, 2) == graph.predecessors(vector, "d", memory, 2)
        assert [graph.contains(vector, edge, size=6) for edge in (("a", "e"), ("a", "d"))] == [True, False]

    @cases(BINDS_VECTORS)
    def test_labels(self, family, backend):
        vsa = make(family, dim(family), backend)
        graph = hdc.Graph(vsa, directed=True)
        people, relations = hdc.ItemMemory(vsa, NODES), hdc.ItemMemory(vsa, ["parent", "friend", "boss"])
        vector = graph.encode([("a", "parent", "b"), ("a", "friend", "c"), ("c", "boss", "a"), ("d", "friend", "e")])
        assert graph.successors(vector, "a", people, label="parent")[0].name == "b"
        assert graph.successors(vector, "a", people, label="friend")[0].name == "c"
        assert graph.predecessors(vector, "e", people, label="friend")[0].name == "d"
        assert graph.labels(vector, "c", "a", relations)[0].name == "boss"
        assert graph.contains(vector, ("a", "parent", "b"), size=4)
        assert not graph.contains(vector, ("a", "friend", "b"), size=4)

    @cases(BINDS_VECTORS)
    def test_a_vector_for_each_node(self, family, backend):
        vsa = make(family, 500, backend)
        memory = hdc.ItemMemory(vsa, NODES)
        nodes = hdc.Graph(vsa, directed=True).memories(EDGES)
        assert nodes.names == ("a", "b", "e", "f", "g")
        assert names(memory.cleanup(nodes["a"], 2)) == {"b", "c"}
        assert {match.name for match in nodes.cleanup(vsa.symbol("d"), 2)} == {"b", "f"}
        if family in COMMUTE:
            nodes = hdc.Graph(vsa).memories(EDGES)
            assert names(memory.cleanup(nodes["a"], 3)) == {"b", "c", "e"}

    @cases(BINDS_VECTORS)
    def test_vectors_of_nodes_are_bundles_of_their_ends(self, family, backend):
        vsa = make(family, 64, backend)
        edges = [("a", "x", "b"), ("c", "y", "b"), ("a", "y", "d"), ("a", "x", "e"), ("c", "y", "b")]
        nodes = hdc.Graph(vsa, directed=True).memories(edges)
        for node in "ac":
            terms = [vsa.bind(vsa.permute(vsa.symbol(label), 2), vsa.symbol(t)) for s, label, t in edges if s == node]
            assert_same(vsa, nodes[node], vsa.bundle(vsa.xp.stack(terms)))
        with pytest.raises(errors.ParameterError, match="all have a label"):
            hdc.Graph(vsa, directed=True).memories([("a", "b"), ("a", "x", "b")])

    def test_batches_and_weights(self):
        vsa = hdc.MAPI(100)
        graph, x = hdc.Graph(vsa, directed=True), hdc.MAPI(100).random(4, seed=1)
        batch = graph.encode([(x, "a"), ("b", "c")])
        assert np.array_equal(batch[2], graph.encode([(x[2], "a"), ("b", "c")]))
        weighted = graph.encode([("a", "b"), ("b", "c")], weights=[2, -1])
        assert np.array_equal(weighted, 2 * graph.encode([("a", "b")]) - graph.encode([("b", "c")]))

    def test_errors(self):
        with pytest.raises(errors.UnsupportedError, match="use Tree or Automaton"):
            hdc.Graph(hdc.MBAT(100))
        with pytest.raises(errors.UnsupportedError, match="use directed=True"):
            hdc.Graph(hdc.Bloom(100))
        graph = hdc.Graph(hdc.MAPI(100))
        memory = hdc.ItemMemory(graph.vsa, NODES)
        vector = graph.encode(EDGES)
        with pytest.raises(errors.EmptyBundleError, match="at least one edge"):
            graph.encode([])
        with pytest.raises(errors.ParameterError, match="an edge is"):
            graph.encode([("a",)])
        with pytest.raises(errors.ParameterError, match="all have a label"):
            graph.encode([("a", "b"), ("a", "x", "b")])
        with pytest.raises(errors.ParameterError, match="'a' with itself"):
            graph.encode([("a", "a")])
        with pytest.raises(errors.DimensionError, match="a Graph is read from one vector"):
            graph.successors(vector[None], "a", memory)
        with pytest.raises(errors.ParameterError, match="memory is empty"):
            graph.successors(vector, "a", hdc.ItemMemory(graph.vsa))
        with pytest.raises(errors.ParameterError, match="directed must be"):
            hdc.Graph(hdc.MAPI(100), directed="yes")


class TestTree:
    @cases()
    def test_leaves_by_path(self, family, backend):
        vsa = make(family, dim(family), backend)
        tree, memory = hdc.Tree(vsa), hdc.ItemMemory(vsa, WORDS)
        vector = tree.encode(TREE)
        assert {path: match.name for path, match in tree.decode(vector, list(LEAVES), memory).items()} == LEAVES

    @cases()
    def test_is_what_it_says(self, family, backend):
        """Leaf by leaf: bind with the role of the last branch after permuting, and so on up."""
        vsa = make(family, 100, backend)
        terms = []
        for path, leaf in LEAVES.items():
            x = vsa.symbol(leaf)
            for branch in reversed(path):
                x = vsa.bind(vsa.role(branch), vsa.permute(x))
            terms.append(x)
        assert_same(vsa, hdc.Tree(vsa).encode(TREE), vsa.bundle(vsa.xp.stack(terms)))

    @cases([family for family in SUMS if make(family, 100).exact_unbind])
    def test_a_subtree_is_the_encoded_subtree(self, family, backend):
        vsa = make(family, 100, backend)
        tree = hdc.Tree(vsa)
        assert_same(vsa, tree.subtree(tree.encode({"a": TREE}), ("a",)), tree.encode(TREE))

    def test_order_along_a_path_counts(self):
        for family in (family for family in FAMILIES if "haar" not in family):
            vsa = make(family, 400)
            tree = hdc.Tree(vsa)
            one, other = tree.encode({"a": {"b": "x"}}), tree.encode({"b": {"a": "x"}})
            assert abs(float(vsa.similarity(one, other))) < 0.35

    def test_deep_trees_and_errors(self):
        vsa = hdc.MAPI(100)
        tree, deep = hdc.Tree(vsa), "leaf"
        for _ in range(2000):
            deep = {"x": deep}
        vector = tree.encode(deep)
        assert tree.get(vector, ["x"] * 2000, hdc.ItemMemory(vsa, ["leaf", "other"])).similarity == 1
        for empty in ({}, [], {"a": []}):
            with pytest.raises(errors.EmptyBundleError, match="at least one leaf"):
                tree.encode(empty)
        with pytest.raises(errors.ParameterError, match="a path is a sequence"):
            tree.subtree(vector, "ab")
        assert np.array_equal(tree.encode("leaf"), vsa.bundle(vsa.symbols(["leaf"])))


class TestAutomaton:
    @cases()
    def test_runs(self, family, backend):
        vsa = make(family, dim(family), backend)
        machine, states = hdc.Automaton(vsa), hdc.ItemMemory(vsa, ["open", "locked", "broken"])
        vector = machine.encode(TURNSTILE)
        assert {key: machine.step(vector, *key, states).name for key in TURNSTILE} == TURNSTILE
        word = ["push", "coin", "coin", "push", "coin"] * 2
        walked = [match.name for match in machine.run(vector, "locked", word, states, size=4)]
        assert walked == ["locked", "open", "open", "locked", "open"] * 2
        assert machine.accepts(vector, "locked", word, ["open"], states)
        assert not machine.accepts(vector, "locked", [*word, "push"], ["open"], states)
        assert machine.run(vector, "locked", ["coin", "kick", "push"], states, size=4) == machine.run(
            vector, "locked", ["coin"], states
        )
        assert not machine.accepts(vector, "locked", ["kick"], ["open", "locked", "broken"], states, size=4)

    def test_ends_are_seen_where_scores_are_stated(self):
        vsa = Silent(500)
        machine, states = hdc.Automaton(vsa), hdc.ItemMemory(vsa, ["open", "locked"])
        vector = machine.encode(TURNSTILE)
        assert machine.accepts(vector, "locked", ["coin"], ["open"], states)
        with pytest.raises(errors.UnsupportedError, match="does not state the moments"):
            machine.accepts(vector, "locked", ["coin"], ["open"], states, size=4)

    def test_states_may_be_called_as_symbols(self):
        vsa = hdc.MAPB(1000)
        machine, states = hdc.Automaton(vsa), hdc.ItemMemory(vsa, [0, 1, 2])
        table = {(s, i): (s + i) % 3 for s in range(3) for i in range(3)}
        vector = machine.encode(table)
        assert {key: machine.step(vector, *key, states).name for key in table} == table
        assert machine.accepts(vector, 0, [], [0], states)
        assert not machine.accepts(vector, 0, [], [False], states)

    def test_errors(self):
        machine = hdc.Automaton(hdc.MAPI(100))
        with pytest.raises(errors.EmptyBundleError, match="at least one transition"):
            machine.encode([])
        with pytest.raises(errors.ParameterError, match="a transition is"):
            machine.encode([("a", "b")])
        with pytest.raises(errors.ParameterError, match="a transition is"):
            machine.encode({"ab": "c"})


class TestStack:
    @cases(SUMS)
    def test_last_in_first_out(self, family, backend):
        vsa = make(family, dim(family), backend)
        stack, memory = hdc.Stack(vsa), hdc.ItemMemory(vsa, NODES)
        vector = stack.encode(["a"])
        for name in "bcda":
            vector = stack.push(vector, name)
        assert_same(vsa, vector, stack.encode("abcda"))
        assert "".join(match.name for match in stack.decode(vector, memory, 5)) == "adcba"
        found = []
        for _ in range(5):
            match, vector = stack.pop(vector, memory)
            found.append(match.name)
        assert "".join(found) == "adcba"
        np.testing.assert_allclose(host(vector), 0, atol=1e-4)

    @pytest.mark.parametrize("family", [family for family in FAMILIES if family not in SUMS])
    def test_other_bundles_are_refused(self, family):
        with pytest.raises(errors.UnsupportedError, match="use Counting" if "Bloom" in family else "use Sequence, or"):
            hdc.Stack(make(family, 100))


@cases()
class TestChanges:
    def test_what_bundles_can_do(self, family, backend):
        for d in (2 if "Bloom" in family else 1, 100):
            vsa = make(family, d, backend)
            if d == 100:
                assert (adds(vsa), subtracts(vsa)) == (family in SUMS or "Bloom" in family, family in SUMS)
            elif family in SUMS:
                assert (adds(vsa), subtracts(vsa)) == (True, True)

    def changes(self, vsa):
        """Yield a structure's vector, what adds a part, takes one out and replaces one, and the vectors expected."""
        record, bag, order = hdc.Record(vsa), hdc.Multiset(vsa), hdc.Sequence(vsa)
        tree, machine = hdc.Tree(vsa), hdc.Automaton(vsa)
        abc = {"x": "a", "y": "b", "z": "c"}
        yield (
            record.encode({"x": "a", "y": "b"}),
            (lambda v: record.add(v, "z", "c"), record.encode(abc)),
            (lambda v: record.remove(v, "y", "b"), record.encode({"x": "a"})),
            (lambda v: record.replace(v, "y", "b", "q"), record.encode({"x": "a", "y": "q"})),
        )
        yield (
            bag.encode("ab"),
            (lambda v: bag.add(v, "cc"), bag.encode("abcc")),
            (lambda v: bag.remove(v, "b"), bag.encode("a")),
            (lambda v: bag.replace(v, "a", "c"), bag.encode("bc")),
        )
        yield (
            order.encode("ab"),
            (lambda v: order.add(v, 2, "c"), order.encode("abc")),
            (lambda v: order.remove(v, 1, "b"), order.encode("a")),
            (lambda v: order.replace(v, 1, "b", "c"), order.encode("ac")),
        )
        yield (
            tree.encode({"l": "a", "r": {"l": "b"}}),
            (lambda v: tree.add(v, ("r", "r"), "c"), tree.encode({"l": "a", "r": {"l": "b", "r": "c"}})),
            (lambda v: tree.remove(v, ("r", "l"), "b"), tree.encode({"l": "a"})),
            (lambda v: tree.replace(v, ("l",), "a", "c"), tree.encode({"l": "c", "r": {"l": "b"}})),
        )
        one, two, three = ("p", 0, "q"), ("q", 0, "p"), ("q", 1, "q")
        yield (
            machine.encode([one, two]),
            (lambda v: machine.add(v, [three]), machine.encode([one, two, three])),
            (lambda v: machine.remove(v, [two]), machine.encode([one])),
        )
        if vsa.binds_vectors:
            graph = hdc.Graph(vsa, directed=True)
            yield (
                graph.encode(EDGES),
                (lambda v: graph.add(v, [("h", "a")]), graph.encode([*EDGES, ("h", "a")])),
                (lambda v: graph.remove(v, EDGES[3:]), graph.encode(EDGES[:3])),
            )

    def test_changed_is_encoded_anew_or_refused(self, family, backend):
        vsa = make(family, 64 if "haar" in family else 100, backend)
        for vector, (add, more), *removals in self.changes(vsa):
            before = host(vector).copy()
            if adds(vsa):
                assert_same(vsa, add(vector), more)
            else:
                with pytest.raises(errors.UnsupportedError, match=r"keep an hdc\.Accumulator"):
                    add(vector)
            for remove, less in removals:
                if subtracts(vsa):
                    assert_same(vsa, remove(vector), less)
                else:
                    advice = "use CountingBloom" if "Bloom" in family else r"keep an hdc\.Accumulator"
                    with pytest.raises(errors.UnsupportedError, match=advice):
                        remove(vector)
            assert np.array_equal(host(vector), before)

    def test_batches_of_vectors_change_together(self, family, backend):
        vsa = make(family, 64 if "haar" in family else 100, backend)
        if not adds(vsa):
            return
        record = hdc.Record(vsa)
        batch = record.encode({"x": ["a", "b"], "y": ["c", "d"]})
        values = vsa.symbols(["p", "q"])
        assert_same(vsa, record.add(batch, "z", values), record.encode({"x": ["a", "b"], "y": ["c", "d"], "z": values}))


def test_structures_say_what_they_give():
    for structure in (hdc.Graph, hdc.Tree, hdc.Automaton, hdc.Stack):
        assert all(callable(getattr(structure, method)) for method in structure.gives)
