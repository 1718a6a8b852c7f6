"""Just enough D-Bus to ask systemd a question (ess/questions.py).

busctl cannot talk to systemd's private socket, the one that answers when the message broker is
dead. Only reads; never blocks longer than it is given.
"""

from __future__ import annotations

import os
import socket
import struct
import time

PRIVATE_SOCKET = "/run/systemd/private"
_BROKER_SOCKET = "/run/dbus/system_bus_socket"
_DESTINATION = "org.freedesktop.systemd1"
_METHOD_RETURN, _ERROR = 2, 3
_FIXED_HEADER = 16
_LARGEST_MESSAGE = 16 * 1024 * 1024
_REPLY_SERIAL = 5
_CHUNK = 65536

Argument = str | tuple[str, ...]
# Object, interface, member, arguments.
Call = tuple[str, str, str, tuple[Argument, ...]]


def unit_object(unit: str) -> str:
    """Return the D-Bus object path of a unit."""
    label = "".join(
        char
        if char.isascii() and (char.isalpha() or (char.isdigit() and position))
        else "".join(f"_{byte:02x}" for byte in char.encode())
        for position, char in enumerate(unit)
    )
    return f"/org/freedesktop/systemd1/unit/{label}"


class Connection:
    """A bus connection with one deadline for everything done over it (monotonic s)."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._buffer = b""
        self._serial = 0
        self._replies: dict[int, bytes] = {}

    def __enter__(self) -> Connection:
        try:
            self._begin()
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _begin(self) -> None:
        root = os.geteuid() == 0
        self._arm()
        self._socket.connect(PRIVATE_SOCKET if root else _BROKER_SOCKET)
        # BEGIN at once, not just before the first call: read together with all of that, it would
        # lie in PID 1's buffer until something else comes over this connection.
        known = str(os.geteuid()).encode().hex().encode()
        self._send(b"\0AUTH EXTERNAL " + known + b"\r\nBEGIN\r\n")
        if not self._line().startswith(b"OK "):
            raise ValueError("not let in")
        if not root:
            bus = "org.freedesktop.DBus"
            self.reply(self.call("/org/freedesktop/DBus", bus, "Hello", (), destination=bus))

    def call(
        self,
        path: str,
        interface: str,
        member: str,
        arguments: tuple[Argument, ...],
        *,
        destination: str = _DESTINATION,
    ) -> int:
        """Send a call with strings and lists of them, and return its serial. Raises OSError."""
        self._serial += 1
        fields = [
            (1, "o", path),
            (2, "s", interface),
            (3, "s", member),
            (6, "s", destination),
        ]
        if arguments:
            kinds = ("s" if isinstance(argument, str) else "as" for argument in arguments)
            fields.append((8, "g", "".join(kinds)))
        header = b""
        for code, kind, value in fields:
            header = _pad(header, 8) + bytes((code, 1)) + kind.encode() + b"\0"
            header += _text(value, len(header), kind)
        body = b""
        for argument in arguments:
            body += _argument(argument, len(body))
        fixed = struct.pack("<cBBBIII", b"l", 1, 0, 1, len(body), self._serial, len(header))
        self._send(_pad(fixed + header, 8) + body)
        return self._serial

    def reply(self, serial: int) -> Reader:
        """Return the body of the answer to a call. Raises OSError, ValueError."""
        while serial not in self._replies:
            self._receive()
        return Reader(self._replies.pop(serial))

    def _receive(self) -> None:
        order, kind, _, _, body_length, _, fields_length = struct.unpack(
            "<cBBBIII", self._take(_FIXED_HEADER)
        )
        if order != b"l" or body_length + fields_length > _LARGEST_MESSAGE:
            raise ValueError("not a message of this machine")
        fields = self._take(fields_length + -fields_length % 8)[:fields_length]
        body = self._take(body_length)
        if kind in (_METHOD_RETURN, _ERROR):
            serial = _reply_serial(fields)
            if kind == _ERROR:
                reader = Reader(body)
                raise ValueError(reader.text() if body else "refused")
            self._replies[serial] = body

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._fill()
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._fill()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _fill(self) -> None:
        self._arm()
        chunk = self._socket.recv(_CHUNK)
        if not chunk:
            raise ValueError("hung up")
        self._buffer += chunk

    def _send(self, data: bytes) -> None:
        self._arm()
        self._socket.sendall(data)

    def _arm(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)


class Reader:
    """A little-endian message body, read from the front."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def align(self, size: int) -> None:
        self.position += -self.position % size

    def number(self) -> int:
        self.align(4)
        (value,) = struct.unpack_from("<I", self._data, self.position)
        self.position += 4
        return int(value)

    def byte(self) -> int:
        value = self._data[self.position]
        self.position += 1
        return value

    def array(self, size: int) -> int:
        """Go to the first element of an array, of this alignment, and return where it ends."""
        length = self.number()
        self.align(size)
        return self.position + length

    def text(self) -> str:
        return self._string(self.number())

    def signature(self) -> str:
        return self._string(self.byte())

    def _string(self, length: int) -> str:
        if self.position + length >= len(self._data):
            raise ValueError("a message that is cut off")
        value = self._data[self.position : self.position + length].decode()
        self.position += length + 1
        return value


def _reply_serial(fields: bytes) -> int:
    reader = Reader(fields)
    serial = 0
    while reader.position < len(fields):
        reader.align(8)
        code, kind = reader.byte(), reader.signature()
        if kind == "u":
            number = reader.number()
            serial = number if code == _REPLY_SERIAL else serial
        elif kind == "g":
            reader.signature()
        else:
            reader.text()
    return serial


def _pad(data: bytes, size: int) -> bytes:
    return data + b"\0" * (-len(data) % size)


def _argument(argument: Argument, offset: int) -> bytes:
    if isinstance(argument, str):
        return _text(argument, offset, "s")
    items = b""
    for item in argument:
        items += _text(item, len(items), "s")
    return b"\0" * (-offset % 4) + struct.pack("<I", len(items)) + items


def _text(value: str, offset: int, kind: str) -> bytes:
    data = value.encode()
    if kind == "g":
        return bytes((len(data),)) + data + b"\0"
    return b"\0" * (-offset % 4) + struct.pack("<I", len(data)) + data + b"\0"
