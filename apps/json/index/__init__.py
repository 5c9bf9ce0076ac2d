"""Index documents with their vectors, search them, and explain hits."""
