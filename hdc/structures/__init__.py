"""Data structures as hypervectors, written once for any model: records, sets, sequences, n-grams, graphs, trees.

A structure is a frozen encoder: ``encode`` returns a plain hypervector, and the other methods read or change one.
Values are names, which become the model's symbols, or hypervectors, which are used directly. ``gives`` lists what can
be read back, and ``capacity`` returns how many parts fit into one vector.
"""

from hdc.structures.automaton import Automaton
from hdc.structures.base import Structure
from hdc.structures.graph import Graph
from hdc.structures.multiset import Multiset
from hdc.structures.ngrams import NGrams
from hdc.structures.record import Record
from hdc.structures.sequence import Sequence
from hdc.structures.stack import Stack
from hdc.structures.tree import Tree

__all__ = ["Automaton", "Graph", "Multiset", "NGrams", "Record", "Sequence", "Stack", "Structure", "Tree"]
