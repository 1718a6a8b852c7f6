"""Stands for a service: lives until a signal ends it."""

import time

while True:
    time.sleep(3600)
