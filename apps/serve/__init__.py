"""Serve indexes over HTTP: an API for search, explanations, changes and metrics, and a web page.

``create_app`` returns an ASGI application for the open indexes of a ``Served``; ``Limits`` bounds the requests of a
client. On the command line: ``hdc serve INDEX``. Needs the extra ``serve``.
"""

from typing import TYPE_CHECKING

from hdc.apps import lazy

if TYPE_CHECKING:
    from hdc.apps.serve.app import create_app
    from hdc.apps.serve.indexes import Opened, Served
    from hdc.apps.serve.limits import Limits
    from hdc.apps.serve.tokens import Tokens

__all__ = ["Limits", "Opened", "Served", "Tokens", "create_app"]

__getattr__ = lazy.attributes(
    __name__,
    {
        "create_app": "hdc.apps.serve.app",
        "Opened": "hdc.apps.serve.indexes",
        "Served": "hdc.apps.serve.indexes",
        "Limits": "hdc.apps.serve.limits",
        "Tokens": "hdc.apps.serve.tokens",
    },
)
