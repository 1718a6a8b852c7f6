"""The audit log: hash-chained, verified, read."""
