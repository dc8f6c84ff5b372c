"""Stripe: card payments by PaymentIntents, over its HTTP API."""
