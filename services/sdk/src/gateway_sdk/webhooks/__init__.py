"""Verifiers of webhooks for merchants to copy: one file each, of nothing but its language's own library."""
