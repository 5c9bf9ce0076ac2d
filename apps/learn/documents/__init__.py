"""Encode JSON documents as hypervectors to learn from."""
