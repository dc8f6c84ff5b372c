"""The merchant dashboard: pages rendered on the server from what the API says. No key, secret or row is kept here."""
