"""Scores of JSON documents by comparing each with the query, on which searches by postings do not rely."""

from hdc.apps.json.index.matcher import Matcher, mass_of
from hdc.errors import ParameterError


class Comparison:
    """One query; raises ParameterError if it asks for nothing."""

    def __init__(self, query, encoder, missing="ignore"):
        if isinstance(query, dict | list) and not query:
            raise ParameterError("the query is empty")
        self._counts, self._values, self._layout = missing == "count", encoder.values, encoder.layout
        self._matcher = Matcher(query, self._values, self._layout)

    def score(self, document):
        score, asked = self._matcher.score(document), self._matcher.asked
        if not self._counts:
            return score
        beyond = mass_of(document, self._values, self._layout) - score * asked
        return score * asked / (asked + max(0.0, beyond))
