"""The inspector of idempotency keys."""
