"""Codes in other engines: written there, searched there, with the same answers."""
