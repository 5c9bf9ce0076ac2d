"""Routes by subject: each module has ``router(served)``, and :mod:`hdc.apps.serve.app` includes them in this order."""

ROUTERS = ("service", "search", "batch", "documents", "writes")
ROUTERS = ("service", "search", "fields")
"""A route that is more special comes before one that takes any name."""
