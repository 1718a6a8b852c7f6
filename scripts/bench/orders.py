"""What asking before every order costs: is_active(), beside what one would ask instead."""

import os
import socket
import time
from collections.abc import Callable

from installed import is_active
from redis_server import connect, redis_server
from stopwatch import percentiles

GET = b"*2\r\n$3\r\nGET\r\n$18\r\nquantum:ess:active\r\n"
FLAG = "/run/quantum/ESS_ON"


def call_ns(ask: Callable[[], object], calls: int) -> list[float]:
    """ns of each of `calls` calls, the clock's own time (some tens of ns) included."""
    took = []
    for _ in range(calls):
        began = time.perf_counter_ns()
        ask()
        took.append(float(time.perf_counter_ns() - began))
    return took


def redis_ns(calls: int) -> list[float]:
    """ns of a GET on the loopback by a bare socket, which is less than any client library takes."""
    with redis_server() as port, connect(port) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def ask() -> bytes:
            connection.sendall(GET)
            return connection.recv(64)

        return call_ns(ask, calls)


def measure_is_active(calls: int = 100_000) -> dict[str, dict[str, float]]:
    """ns of each way to ask, with no flag there: the case before every order."""
    if is_active():
        raise RuntimeError("the latch is on: this would measure the other case")
    ways = {
        "is_active()": call_ns(is_active, calls),
        "os.path.exists() of one flag": call_ns(lambda: os.path.exists(FLAG), calls),
        "Redis GET on the loopback": redis_ns(calls // 10),
    }
    return {name: percentiles(values) for name, values in ways.items()}


if __name__ == "__main__":
    print(measure_is_active())
