"""checkout.js, checkout.html and the small server that serves them. Payments themselves are made by the API."""
