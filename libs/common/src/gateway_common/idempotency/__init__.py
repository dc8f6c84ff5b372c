"""Answers already given, by Idempotency-Key."""
