"""Documents to vectors, and values back out of them."""
