"""A payment's timeline over HTTP."""
