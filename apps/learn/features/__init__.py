"""Encode tables as hypervectors: numbers, categories, texts and time series, column by column."""

from typing import TYPE_CHECKING

from hdc.apps import lazy

if TYPE_CHECKING:
    from hdc.apps.learn.features.features import Features

__all__ = ["Features"]

__getattr__ = lazy.attributes(__name__, {"Features": "hdc.apps.learn.features.features"})
