"""Callbacks of providers: what they sent, kept until a processor has looked at the payment it is about."""
