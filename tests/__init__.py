"""Tests of hdc-toolkit."""
