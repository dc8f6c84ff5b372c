"""A refund of a captured payment."""
