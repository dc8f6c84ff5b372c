"""Questions whose answer must always be "none": the invariants of money, events and leases, asked of every row."""
