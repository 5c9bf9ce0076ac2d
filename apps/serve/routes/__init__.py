"""Routes by subject: each module has ``router(served)``, and :mod:`hdc.apps.serve.app` includes them in this order."""

ROUTERS = ("capacity", "service", "search", "batch", "documents", "writes", "fields", "projection", "tradeoff")
"""Specific routes come before routes that accept any name."""
