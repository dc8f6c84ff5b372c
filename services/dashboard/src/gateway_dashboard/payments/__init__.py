"""Payments with their refunds, as the merchant's staff sees them."""
