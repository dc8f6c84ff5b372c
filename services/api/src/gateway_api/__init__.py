"""The REST API. It decides and stores in one transaction, answers at once, and leaves the work to the workers."""
