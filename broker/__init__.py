"""A token broker for the Canvas REST API: one place holds the keys, all get the token."""

__version__ = "0.1.0"
