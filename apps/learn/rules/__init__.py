"""Rules that learn class vectors, one per file."""
