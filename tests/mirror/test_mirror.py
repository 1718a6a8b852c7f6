"""What the mirror says in a real Redis, from the trip to the release."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ess.aftermath.channel import Case, Channel, DeliveryError, Phase
from tests.mirror.host import (
    CHANNEL,
    MARKER,
    POLICY,
    RELEASED,
    STREAM,
    TRIPPED,
    Host,
    Listener,
    document,
    entries,
    types,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ess.paths import Paths
    from tests.mirror.server import Server

BOTH = ["emergency.stop", "emergency.reset"]
STATE = {
    "active": True,
    "status": "active",
    "reason": 'flash "crash"',
    "timestamp": "2025-11-21T08:22:11.123456",
    "activation_count": 7,
    "auto_recover": False,
    "activation_id": TRIPPED.id,
    "host": "trade-1",
}
STOP = {
    "type": "emergency.stop",
    "reason": 'flash "crash"',
    "timestamp": "2025-11-21T08:22:11.123456",
    "positions_closed": 0,
    "orders_canceled": 0,
    "activation_id": TRIPPED.id,
    "host": "trade-1",
    "activation_count": 7,
    "operator": "alice",
    "source": "cli",
}
RESET = {
    "type": "emergency.reset",
    "timestamp": "2025-11-21T09:22:11.000000",
    "reset_by": "bob",
    "activation_id": TRIPPED.id,
    "host": "trade-1",
    "activation_count": 7,
    "reason": "reviewed",
}


@pytest.fixture
def ear(server: Server) -> Iterator[Listener]:
    one = Listener(server.client)
    yield one
    one.close()


def test_it_is_a_channel(host: Host) -> None:
    channel: Channel = host.mirror
    assert channel.name == "redis"


def test_a_trip(host: Host, server: Server, ear: Listener) -> None:
    assert host.trip() == "marker set, quantum:policy says active, emergency.stop published"
    assert server.client.get(MARKER) == (
        b"active host=trade-1 since=2025-11-21T08:22:11.123456Z "
        b'id=11111111-aaaa-4bbb-8ccc-222222222222 reason=flash "crash"'
    )
    assert server.client.ttl(MARKER) == -1, "the marker must not expire"
    assert document(server.client) == {"emergency_stop": STATE}
    assert entries(server.client) == [{key: str(value) for key, value in STOP.items()}]
    assert ear.heard() == [STOP]


def test_a_release(host: Host, server: Server, ear: Listener) -> None:
    host.trip()
    assert host.release() == (
        "marker removed, quantum:policy says inactive, emergency.reset published"
    )
    assert not server.client.exists(MARKER)
    assert document(server.client)["emergency_stop"] == STATE | {
        "active": False,
        "status": "inactive",
        "timestamp": "2025-11-21T09:22:11.000000",
        "reset_by": "bob",
    }
    assert entries(server.client)[1] == {key: str(value) for key, value in RESET.items()}
    assert ear.heard() == [STOP, RESET]


@pytest.mark.parametrize("phase", [Phase.CONTAINED, Phase.NOT_CONTAINED, Phase.RELEASE_FAILED])
def test_every_phase_of_a_latch_that_is_on(
    host: Host, server: Server, ear: Listener, phase: Phase
) -> None:
    for case in (TRIPPED, TRIPPED._replace(phase=phase, changed=TRIPPED.changed + 1)):
        host.trip(case)
    assert document(server.client) == {"emergency_stop": STATE}
    assert types(server.client) == ["emergency.stop"]
    assert len(ear.heard()) == 1


def test_telling_again_changes_nothing(host: Host, server: Server, ear: Listener) -> None:
    for tell in (host.trip, host.release):
        tell()
        before = server.client.dbsize(), server.client.get(POLICY), entries(server.client)
        assert [tell() for _ in range(3)] == ["all there already"] * 3
        assert before == (
            server.client.dbsize(),
            server.client.get(POLICY),
            entries(server.client),
        )
    assert [one["type"] for one in ear.heard()] == BOTH


def test_a_redis_that_missed_it_all_gets_both_events_in_order(
    host: Host, server: Server, ear: Listener
) -> None:
    assert host.release().endswith("emergency.stop published and emergency.reset published")
    assert entries(server.client)[0]["timestamp"] == STOP["timestamp"]
    assert types(server.client) == BOTH
    assert ear.heard() == [STOP, RESET]
    assert not server.client.exists(MARKER)
    assert document(server.client)["emergency_stop"]["active"] is False


def test_the_memory_of_what_was_published_ends_after_the_release(
    host: Host, server: Server
) -> None:
    record = f"quantum:ess:published:{TRIPPED.id}"
    host.trip()
    assert server.client.ttl(record) == -1, "a latch may be on for longer than anybody thought"
    host.release()
    assert 179 * 86400 < int(str(server.client.ttl(record))) <= 180 * 86400


def test_the_next_activation(host: Host, server: Server) -> None:
    host.trip()
    host.release()
    host.trip(TRIPPED._replace(id="other", count=8, begun=RELEASED.changed + 10**6))
    assert types(server.client) == [*BOTH, "emergency.stop"]
    state = document(server.client)["emergency_stop"]
    assert (state["active"], state["activation_count"]) == (True, 8)
    assert "reset_by" not in state


def test_a_release_told_late_leaves_the_next_activation_alone(host: Host, server: Server) -> None:
    """Redis was away for the release; the latch is on again before the release is told."""
    host.trip()
    follower = TRIPPED._replace(id="other", count=8)
    host.trip(follower)
    host.latch()
    there = server.client.get(MARKER)
    host.mirror.tell(RELEASED, 0)
    assert server.client.get(MARKER) == there
    assert document(server.client)["emergency_stop"]["activation_id"] == "other"
    assert types(server.client) == ["emergency.stop", "emergency.stop", "emergency.reset"]
    host.release(RELEASED._replace(id="other"))
    assert not server.client.exists(MARKER)


@pytest.mark.parametrize("flag", ["run_flag", "var_flag"])
def test_the_marker_of_a_latch_that_is_on_is_never_removed(
    host: Host, server: Server, flag: str
) -> None:
    host.trip()
    host.unlatch()
    Path(getattr(host.paths, flag)).touch()
    host.mirror.tell(RELEASED, 0)
    assert server.client.exists(MARKER)
    assert document(server.client)["emergency_stop"]["active"] is True


def test_unknown_is_latched(host: Host, server: Server) -> None:
    host.trip()
    host.unlatch()
    flag = Path(host.paths.run_flag)
    flag.parent.rmdir()
    flag.parent.symlink_to(flag.parent.name)  # a loop: neither there nor not there
    with pytest.raises(DeliveryError, match="cannot be told whether the latch is on"):
        host.mirror.tell(RELEASED, 0)
    assert server.client.exists(MARKER)
    assert types(server.client) == ["emergency.stop"]


def test_a_trip_told_after_the_release_sets_nothing(host: Host, server: Server) -> None:
    """The latch was released between the event and its telling; the event happened all the same."""
    assert host.mirror.tell(TRIPPED, 0) == "emergency.stop published"
    assert not server.client.exists(MARKER)
    assert not server.client.exists(POLICY)
    assert host.mirror.keep(TRIPPED) == ""


class TestKeep:
    def test_puts_back_what_flushall_took(self, host: Host, server: Server, ear: Listener) -> None:
        host.trip()
        marker = server.client.get(MARKER)
        server.client.flushall()
        assert host.mirror.keep(TRIPPED) == (
            "marker set, quantum:policy says active, emergency.stop published"
        )
        assert server.client.get(MARKER) == marker
        assert document(server.client) == {"emergency_stop": STATE}
        assert types(server.client) == ["emergency.stop"], "once in the stream there is"
        assert len(ear.heard()) == 2, "who listened hears it again, as documented"

    def test_puts_back_what_a_restart_took(self, host: Host, server: Server) -> None:
        host.trip()
        server.restart()
        assert not server.client.exists(MARKER)
        assert host.mirror.keep(TRIPPED)
        assert server.client.exists(MARKER)
        assert document(server.client) == {"emergency_stop": STATE}

    @pytest.mark.parametrize(
        ("command", "answer"),
        [
            (("DEL", MARKER), "marker set"),
            (("SET", MARKER, "0"), "marker set"),
            (("SET", MARKER, ""), "marker set"),
            (("DEL", POLICY), "quantum:policy says active"),
            (
                ("SET", POLICY, '{"emergency_stop": {"active": false}}'),
                "quantum:policy says active",
            ),
            (("SET", POLICY, '{"emergency_stop": null}'), "quantum:policy says active"),
            (("SET", POLICY, '{"other": 1}'), "quantum:policy says active"),
        ],
    )
    def test_puts_back_what_somebody_took(
        self, host: Host, server: Server, command: tuple[str, ...], answer: str
    ) -> None:
        host.trip()
        before = server.client.get(MARKER)
        getattr(server.client, "execute_command")(*command)  # noqa: B009 - untyped
        assert host.mirror.keep(TRIPPED) == answer
        assert server.client.get(MARKER) == before
        assert document(server.client)["emergency_stop"] == STATE
        assert types(server.client) == ["emergency.stop"]

    def test_only_reads_when_nothing_is_missing(self, host: Host, server: Server) -> None:
        host.trip()
        server.client.config_resetstat()
        assert host.mirror.keep(TRIPPED) == ""
        stats: Any = server.client.info("commandstats")
        used = {name.removeprefix("cmdstat_") for name in stats} - {"info", "config|resetstat"}
        assert used <= {"get", "type", "smembers", "client|setinfo"}
        assert sum(stats[f"cmdstat_{name}"]["calls"] for name in ("get", "type", "smembers")) == 4

    def test_does_nothing_for_a_latch_that_is_off(self, host: Host, server: Server) -> None:
        assert host.mirror.keep(RELEASED) == ""
        assert server.client.dbsize() == 0


class TestPolicyDocument:
    OTHERS = '{ "pi": 3.14159265358979323846264338,\n "a": [], "a": {}, "b": 123456789012345678 }'

    def test_others_keep_every_byte(self, host: Host, server: Server) -> None:
        server.client.set(POLICY, self.OTHERS)
        host.trip()
        text = server.client.get(POLICY)
        assert isinstance(text, bytes)
        assert text.decode().startswith(self.OTHERS[:-2])
        assert document(server.client)["emergency_stop"] == STATE
        host.release()
        text = server.client.get(POLICY)
        assert isinstance(text, bytes)
        assert text.decode().startswith(self.OTHERS[:-2])

    def test_it_keeps_its_expiry(self, host: Host, server: Server) -> None:
        server.client.set(POLICY, "{}", ex=1000)
        host.trip()
        assert 900 < int(str(server.client.ttl(POLICY))) <= 1000

    def test_a_hash(self, host: Host, server: Server) -> None:
        server.client.hset(POLICY, mapping={"mode": "normal", "emergency_stop": "no JSON"})
        host.trip()
        assert server.client.hget(POLICY, "mode") == b"normal"
        field: Any = server.client.hget(POLICY, "emergency_stop")
        assert json.loads(field) == STATE
        assert host.mirror.keep(TRIPPED) == ""
        host.release()
        field = server.client.hget(POLICY, "emergency_stop")
        assert json.loads(field)["active"] is False
        assert server.client.hget(POLICY, "mode") == b"normal"

    def test_a_field_of_others_inside_stays(self, host: Host, server: Server) -> None:
        server.client.set(POLICY, '{"emergency_stop": {"active": false, "panel": "red"}}')
        host.trip()
        assert document(server.client)["emergency_stop"] == STATE | {"panel": "red"}

    @pytest.mark.parametrize(
        "text", ["", "[1]", '"x"', "{'a': 1}", '{"a": 1', "\udcff", "[" * 99999]
    )
    def test_what_is_no_object_is_left_alone(self, host: Host, server: Server, text: str) -> None:
        data = text.encode("utf-8", "surrogateescape")
        server.client.set(POLICY, data)
        with pytest.raises(DeliveryError, match="quantum:policy: holds no JSON object; left alone"):
            host.trip()
        assert server.client.get(POLICY) == data
        assert server.client.exists(MARKER), "the other steps are taken all the same"
        assert types(server.client) == ["emergency.stop"]

    def test_empty_names_leave_a_part_out(self, server: Server, paths: Paths) -> None:
        host = Host(paths, server.url, POLICY_KEY="", STREAM="", CHANNEL="")
        assert host.trip() == "marker set"
        assert server.client.keys() == [MARKER.encode()]
        assert host.release() == "marker removed"

    def test_only_a_channel(self, server: Server, paths: Paths, ear: Listener) -> None:
        host = Host(paths, server.url, STREAM="")
        host.trip()
        host.trip()
        assert not server.client.exists(STREAM)
        assert len(ear.heard()) == 1


class TestSomebodyElse:
    """A second host, or the application's own emergency stop, in the same Redis."""

    OTHER = TRIPPED._replace(id="of-2", facts={**TRIPPED.facts, "host": "trade-2"})
    OTHER_RELEASED = OTHER._replace(phase=Phase.RELEASED, changed=RELEASED.changed)

    def test_the_stop_of_another_host_outlives_our_release(
        self, host: Host, server: Server, tmp_path: Path
    ) -> None:
        second = Host(type(host.paths)(root=str(tmp_path / "second")), server.url)
        for flag in (second.paths.run_flag, second.paths.var_flag):
            Path(flag).parent.mkdir(parents=True)
        second.trip(self.OTHER)
        host.trip()
        host.release()
        marker: Any = server.client.get(MARKER)
        assert marker.startswith(b"active host=trade-2 ")
        assert document(server.client)["emergency_stop"]["active"] is True
        host.trip(TRIPPED._replace(id="again"))
        second.release(self.OTHER_RELEASED)
        assert host.mirror.keep(TRIPPED._replace(id="again"))
        marker = server.client.get(MARKER)
        assert marker.startswith(b"active host=trade-1 ")
        assert document(server.client)["emergency_stop"]["host"] == "trade-1"

    def test_the_stop_of_the_application_is_not_cleared(self, host: Host, server: Server) -> None:
        own = {"active": True, "status": "active", "reason": "drawdown", "timestamp": "2025-01-01"}
        server.client.set(POLICY, json.dumps({"emergency_stop": own}))
        host.trip()
        host.release()
        assert document(server.client) == {"emergency_stop": own}

    def test_a_store_that_drops_our_fields_is_cleared(self, host: Host, server: Server) -> None:
        host.trip()
        six = dict(list(document(server.client)["emergency_stop"].items())[:6])
        server.client.set(POLICY, json.dumps({"emergency_stop": six}))
        host.release()
        assert document(server.client)["emergency_stop"]["active"] is False

    @pytest.mark.parametrize("value", ["1", "true", "active"])
    def test_a_marker_set_by_hand_goes_with_the_release(
        self, host: Host, server: Server, value: str
    ) -> None:
        server.client.set(MARKER, value)
        host.release()
        assert not server.client.exists(MARKER)


def test_what_is_no_stop_is_not_mirrored(host: Host, server: Server) -> None:
    for phase in (Phase.ARMED, Phase.DISARMED, Phase.DRILL_FAILED, Phase.DRILL_PASSED):
        assert host.mirror.tell(Case("armed", phase, 1, 1), 0) == "nothing to mirror"
    assert server.client.dbsize() == 0


def test_a_test(host: Host, server: Server) -> None:
    assert host.mirror.tell(Case("test", Phase.TEST, 1, 1), 0) == (
        f"127.0.0.1:{server.port}: takes writes"
    )
    assert not server.client.exists(MARKER, POLICY, STREAM, CHANNEL)
    assert 0 < int(str(server.client.ttl("quantum:ess:test"))) <= 60
