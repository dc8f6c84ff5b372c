"""What the workers have to do, for the test profile."""
