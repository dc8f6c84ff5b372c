"""A payment: its states, its rules, its row."""
