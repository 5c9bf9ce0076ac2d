"""Search of binary codes: exact nearest neighbours by Hamming distance."""

from hdc.apps.retrieval.index import BinaryIndex

__all__ = ["BinaryIndex"]
