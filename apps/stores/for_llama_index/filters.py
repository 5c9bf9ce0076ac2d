"""Translate LlamaIndex's metadata filters: all operators and conditions, also nested."""

import numpy as np
import numpy.typing as npt
from llama_index.core.vector_stores.types import FilterCondition, MetadataFilter, MetadataFilters

from hdc.apps.stores.metadata import Metadata, Where

Ids = npt.NDArray[np.int64]


def where_of(filters: MetadataFilters | None) -> Where | None:
    """Return filters as a function of :class:`Metadata`; None if there are none."""
    if filters is None or not filters.filters:
        return None
    return lambda metadata: _passing(metadata, filters)


def _passing(metadata: Metadata, given: MetadataFilters | MetadataFilter) -> Ids:
    if isinstance(given, MetadataFilter):
        return metadata.matching((given.key,), given.operator.value, given.value)
    found = [_passing(metadata, part) for part in given.filters]
    if given.condition == FilterCondition.OR:
        return metadata.either(found)
    if given.condition == FilterCondition.NOT:
        return metadata.without(metadata.either(found))
    return metadata.both(found)
