"""Playing the customer's bank in test mode: by a call, or on a page."""
