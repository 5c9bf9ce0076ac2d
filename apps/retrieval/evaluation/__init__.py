"""Evaluation of indexes: exact neighbors, metrics, judgments and reports."""
