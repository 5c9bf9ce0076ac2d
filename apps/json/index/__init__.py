"""Documents with their vectors, searched and explained."""
