"""Webhook endpoints, deliveries and attempts; signing and the schedule."""
