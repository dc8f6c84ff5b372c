"""The public API that checkout.js calls with a publishable key."""
