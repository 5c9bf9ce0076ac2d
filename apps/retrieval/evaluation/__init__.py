"""How good an index is: exact neighbors, metrics, judgments and reports."""
