"""The watcher: reads the figures of the trading stack and trips when a limit is broken."""
