"""The search layer under every index: codes, estimates of distances, and the exact step."""
