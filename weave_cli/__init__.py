"""Weave: one network for the containers of many Docker hosts."""

__version__ = "0.1.0"
