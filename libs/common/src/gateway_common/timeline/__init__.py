"""Everything that happened to a payment, in order, and what happens next."""
