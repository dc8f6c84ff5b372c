"""API keys over HTTP: a merchant makes, rotates and revokes its own."""
