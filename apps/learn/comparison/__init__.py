"""Compare learners by cross-validation on the same folds, as numbers and as a figure."""
