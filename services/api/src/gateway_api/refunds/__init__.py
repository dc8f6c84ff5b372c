"""Refunds over HTTP."""
