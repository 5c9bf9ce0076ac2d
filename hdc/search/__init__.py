"""The search floor: codes, estimates of distances, and exact comparison, under every index."""
