"""A program that trades on in a second thread when its first has ended, deaf to polite signals.

usage: leaderless.py [CGROUP]: moves itself there first
"""

import ctypes
import signal
import sys
import threading
from pathlib import Path

for polite in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(polite, signal.SIG_IGN)
if sys.argv[1:]:
    Path(sys.argv[1]).mkdir(exist_ok=True)
    Path(sys.argv[1], "cgroup.procs").write_text("0")
threading.Thread(target=threading.Event().wait).start()
ctypes.CDLL(None).pthread_exit(None)
