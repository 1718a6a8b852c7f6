"""The few D-Bus messages that we spell ourselves."""

from __future__ import annotations

import socket
import struct
import threading
from typing import TYPE_CHECKING

import pytest

from ess import questions, wire
from ess.errors import ManagerError
from ess.manager import Assertion

if TYPE_CHECKING:
    from pathlib import Path


def test_object_paths_are_escaped() -> None:
    assert wire.unit_object("a-b@1.service") == (
        "/org/freedesktop/systemd1/unit/a_2db_401_2eservice"
    )
    assert wire.unit_object("1a.service") == "/org/freedesktop/systemd1/unit/_31a_2eservice"


def string(value: str) -> bytes:
    return struct.pack("<I", len(value)) + value.encode() + b"\0"


def pad(data: bytes, size: int) -> bytes:
    return data + b"\0" * (-len(data) % size)


def assertion_body() -> bytes:
    row = pad(string("AssertPathExists"), 4) + struct.pack("<II", 0, 1)
    row = pad(row + string("/run/quantum/ESS_ON"), 4) + struct.pack("<i", 1)
    rows = pad(row, 8) + row
    signature = b"\x08a(sbbsi)\0"
    body = pad(signature, 4) + struct.pack("<I", len(rows))
    return pad(body, 8) + rows


def message(kind: int, serial: int, body: bytes) -> bytes:
    fields = b"\x05\x01u\0" + struct.pack("<I", serial)
    head = struct.pack("<cBBBIII", b"l", kind, 0, 1, len(body), 9, len(fields))
    return pad(head + fields, 8) + body


class Server(threading.Thread):
    """Answers one connection: lets it in, then sends what it is told to and hangs up on request."""

    def __init__(self, address: str, answer: bytes, *, keep: bool = False) -> None:
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(address)
        self.listener.listen()
        self.answer, self.keep = answer, keep
        self.done = threading.Event()
        self.start()

    def run(self) -> None:
        connection, _ = self.listener.accept()
        with connection, self.listener:
            received = b""
            while b"\r\n" not in received:
                received += connection.recv(4096)
            connection.sendall(b"OK 0123\r\n")
            while b"BEGIN\r\n" not in received:
                received += connection.recv(4096)
            connection.sendall(self.answer)
            if self.keep:
                self.done.wait(10)


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    known = str(tmp_path / "private")
    monkeypatch.setattr(wire, "PRIVATE_SOCKET", known)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return known


def test_asserts_are_read_past_signals(address: str) -> None:
    signal = message(4, 0, b"")
    server = Server(address, signal + message(2, 1, assertion_body()), keep=True)
    wanted = Assertion(
        "AssertPathExists", trigger=False, negate=True, parameter="/run/quantum/ESS_ON"
    )
    assert questions.assertions(["a.service"], 5) == {"a.service": (wanted, wanted)}
    server.done.set()
    server.join(10)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage" * 10,
        message(3, 1, string("no such unit")),
        message(2, 1, b"\x01s\0\0" + string("text")),
        message(2, 1, b""),
        message(2, 1, assertion_body()[:30]),
    ],
)
def test_a_bad_answer_is_no_answer(address: str, answer: bytes) -> None:
    server = Server(address, answer)
    with pytest.raises(ManagerError, match="systemd did not tell its asserts"):
        questions.assertions(["a.service"], 5)
    server.join(10)


def test_no_answer_is_given_up(address: str) -> None:
    server = Server(address, b"", keep=True)
    with pytest.raises(ManagerError, match="systemd does not answer"):
        questions.assertions(["a.service"], 0.2)
    server.done.set()
    server.join(10)


def test_nobody_there(address: str) -> None:
    assert address
    with pytest.raises(ManagerError, match="No such file"):
        questions.assertions(["a.service"], 5)


def strings_body(*values: str, cut: int = 0) -> bytes:
    items = b""
    for value in values:
        items = pad(items, 4) + string(value)
    body = pad(b"\x02as\0", 4) + struct.pack("<I", len(items)) + items
    return body[: len(body) - cut]


def test_directories_are_read(address: str) -> None:
    server = Server(address, message(2, 1, strings_body("quantum", "a", "bcd")), keep=True)
    assert questions.runtime_directories(["a.service"], 5) == {"a.service": ["quantum", "a", "bcd"]}
    server.done.set()
    server.join(10)


@pytest.mark.parametrize("cut", [1, 3, 6, 20])
def test_a_list_that_is_cut_off_is_no_list(address: str, cut: int) -> None:
    server = Server(address, message(2, 1, strings_body("quantum", "abc", "def", cut=cut)))
    with pytest.raises(ManagerError, match="systemd did not tell its directories"):
        questions.runtime_directories(["a.service"], 5)
    server.join(10)


def test_unit_files_are_files_and_links_with_the_name_of_a_unit(tmp_path: Path) -> None:
    made, linked = tmp_path / "made", tmp_path / "linked"
    made.mkdir()
    linked.mkdir()
    for name in ("quantum-a.service", "quantum a.service", "quantum-a.service~", "other.service"):
        (made / name).touch()
    (made / "quantum-d.service").mkdir()
    (made / "quantum-a.service.d").mkdir()
    (linked / "quantum-masked.service").symlink_to("/dev/null")
    (linked / "quantum-gone.service").symlink_to("/nowhere")
    places = [str(made), str(linked), str(tmp_path / "none"), str(made / "other.service")]
    found = questions.on_disk(places, ["quantum*.service"])
    assert found == {"quantum-a.service", "quantum-masked.service", "quantum-gone.service"}


def test_a_place_that_cannot_be_looked_at_is_not_empty(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(ManagerError, match="loop: Too many levels"):
        questions.on_disk([str(loop)], ["*.service"])
