"""The processor: carries payments, captures and refunds through the provider, in the background."""
