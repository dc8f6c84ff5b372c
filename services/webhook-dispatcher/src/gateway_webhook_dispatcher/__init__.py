"""The webhook dispatcher: delivers signed events to merchants until they arrive."""
