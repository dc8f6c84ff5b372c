"""The gateway command: the local stack, its demonstration, migrations and seeds."""
