"""Float vectors: checks, norms, metrics and quantized formats."""
