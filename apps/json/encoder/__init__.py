"""Encode documents as vectors, and decode values from them."""
