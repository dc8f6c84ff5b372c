"""The ledger: double entry, append only. Where the money is, entry by entry."""
