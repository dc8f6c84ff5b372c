"""The provider simulator's own account: what it was asked and what it answers."""
