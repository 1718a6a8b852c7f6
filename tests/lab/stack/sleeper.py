"""Stands for a service: lives until a signal ends it."""

import signal

while True:
    signal.pause()
