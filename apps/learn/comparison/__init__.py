"""Learners compared: cross-validation beside others on the same folds, as numbers and as a figure."""
