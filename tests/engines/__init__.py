"""Tests that run other engines."""
