"""Balance and ledger over HTTP."""
