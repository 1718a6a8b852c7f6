"""A process of 300 threads that ignores every polite signal."""

import signal
import threading

for polite in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(polite, signal.SIG_IGN)
for _ in range(300):
    threading.Thread(target=signal.pause).start()
signal.pause()
