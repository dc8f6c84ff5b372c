"""The doorbell: the broker on Redis Streams, task names, and who rings. The only door to Redis Streams."""
