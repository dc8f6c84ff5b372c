"""What happened, once, as the bytes that webhooks carry."""
