"""One screen of everything: latch, units, limits, feeds, last activations."""
