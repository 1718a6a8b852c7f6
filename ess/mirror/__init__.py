"""The mirror of the latch in Redis: for those who look there, never the latch itself."""
