"""A process that tells one case, to be killed at it: python -m tests.mirror.child ROOT URL CASE."""

from __future__ import annotations

import sys

from ess.paths import Paths
from tests.mirror.host import RELEASED, TRIPPED, Host

if __name__ == "__main__":
    root, url, what = sys.argv[1:]
    Host(Paths(root=root), url).mirror.tell({"stop": TRIPPED, "reset": RELEASED}[what], 0)
