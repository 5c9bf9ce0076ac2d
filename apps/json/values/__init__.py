"""Values of leaves: tokens, numbers, strings, and the statistics learned about them."""
