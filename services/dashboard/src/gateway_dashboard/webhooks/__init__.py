"""Webhook endpoints and deliveries, as the merchant's staff sees them."""
