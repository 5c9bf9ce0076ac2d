"""Files of vectors, codes, queries and results."""
