"""A program of two threads that makes threaded control groups, deaf to polite signals.

usage: threaded.py thread|process|deep|group: what moves into them; group: its own becomes one
"""

import os
import signal
import sys
import threading
from pathlib import Path

for polite in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(polite, signal.SIG_IGN)
line = next(line for line in Path("/proc/self/cgroup").read_text().split() if line[:3] == "0::")
own = Path("/sys/fs/cgroup" + line[3:])
inner, deep = own / "inner", own / "inner/deep"
other = threading.Thread(target=threading.Event().wait)
other.start()
deep.mkdir(parents=True)
if sys.argv[1] == "group":
    away = Path("/sys/fs/cgroup/away")
    away.mkdir(exist_ok=True)
    (away / "cgroup.procs").write_text(str(os.getpid()))
    (own / "cgroup.type").write_text("threaded")
    (own / "cgroup.procs").write_text(str(os.getpid()))
else:
    # What is below it and no threaded group itself is an invalid one from now on.
    (inner / "cgroup.type").write_text("threaded")
if sys.argv[1] == "thread":
    (inner / "cgroup.threads").write_text(str(other.native_id))
if sys.argv[1] == "process":
    (inner / "cgroup.procs").write_text(str(os.getpid()))
if sys.argv[1] == "deep":
    (deep / "cgroup.type").write_text("threaded")
    (deep / "cgroup.threads").write_text(str(other.native_id))
Path("/run/threaded").touch()
other.join()
