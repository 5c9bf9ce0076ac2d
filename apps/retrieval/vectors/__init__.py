"""Float vectors: checks and norms."""
