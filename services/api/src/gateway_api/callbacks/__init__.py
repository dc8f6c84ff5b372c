"""Callbacks of payment providers over HTTP: the door that needs a signature instead of a key."""
