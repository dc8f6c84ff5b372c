"""How long deliveries and attempts of webhooks are kept, and how what is older goes. Nothing else ever does."""
