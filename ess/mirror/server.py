"""How a Redis is reached. Every socket is bounded, and nothing is tried a second time.

Import it where it is used: the package redis is an extra.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ess.aftermath.channel import DeliveryError
from ess.mirror.address import named
from ess.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ess.mirror.address import Address, Login, Tls

PATIENCE = 5.0  # s, for a connection and for each answer
RefusedError = redis.ResponseError
_LONGEST = 1000  # bytes of an error
# Redis repeats what it does not understand, and that may be a password.
_ECHO = re.compile(r"(args beginning with:).*", re.DOTALL)

# Takes the place of what was seen there only, so that no writer's word is lost. KEYS: the key.
# ARGV: its type, the field of a hash, what was seen, what is to be there.
_EXCHANGE = """
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= ARGV[1] then return 0 end
if kind == 'none' then
    redis.call('SET', KEYS[1], ARGV[4])
elseif kind == 'hash' then
    if (redis.call('HGET', KEYS[1], ARGV[2]) or '') ~= ARGV[3] then return 0 end
    redis.call('HSET', KEYS[1], ARGV[2], ARGV[4])
else
    if redis.call('GET', KEYS[1]) ~= ARGV[3] then return 0 end
    redis.call('SET', KEYS[1], ARGV[4], 'KEEPTTL')
end
return 1
"""
_REMOVE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""
# What was published where is a member of the set KEYS[1], added in the same step: whoever is killed
# before or after has published it not at all or for good. A place that refuses does not hold up the
# other, and in each the events keep their order. KEYS: the set, the stream or "". ARGV: the channel
# or "", the time (s) the set is kept after the last event, then for each event its name, its
# message, how many fields, the fields.
_PUBLISH = """
redis.call('SADD', KEYS[1], 'begun')
local refused = {}
local function once(place, name, act)
    local token = place .. ':' .. name
    if refused[place] or redis.call('SISMEMBER', KEYS[1], token) == 1 then return end
    local answer = act()
    if type(answer) == 'table' and answer.err then
        refused[place] = answer.err
    else
        redis.call('SADD', KEYS[1], token)
    end
end
local at, name = 3, ''
while at <= #ARGV do
    name = ARGV[at]
    local message, fields = ARGV[at + 1], {}
    for number = 1, tonumber(ARGV[at + 2]) do fields[number] = ARGV[at + 2 + number] end
    if KEYS[2] ~= '' then
        once('stream', name, function()
            return redis.pcall('XADD', KEYS[2], '*', unpack(fields))
        end)
    end
    if ARGV[1] ~= '' then
        once('channel', name, function()
            return redis.pcall('PUBLISH', ARGV[1], message)
        end)
    end
    at = at + 3 + #fields
end
if name == 'reset' and not next(refused) then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return {refused.stream or '', refused.channel or ''}
"""


class Server:
    """One connection to the Redis that takes writes. Methods raise what _reported() translates."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def kind(self, key: str) -> str:
        """Return the type of what is at `key`; "none" when nothing is."""
        return cast("bytes", self._client.type(key)).decode()

    def get(self, key: str) -> bytes | None:
        """Return the string at `key`."""
        return cast("bytes | None", self._client.get(key))

    def field(self, key: str, name: str) -> bytes | None:
        """Return a field of the hash at `key`."""
        return cast("bytes | None", self._client.hget(key, name))

    def put(self, key: str, value: str, seconds: int | None = None) -> None:
        """Put a string at `key`, whatever is there; it expires only when told to."""
        self._client.set(key, value, ex=seconds)

    def exchange(self, key: str, kind: str, name: str, seen: bytes, new: str) -> bool:
        """Write what is at `key` unless somebody else wrote since; tell whether it was written."""
        return bool(self._run(_EXCHANGE, [key], [kind, name, seen, new]))

    def remove(self, key: str, seen: bytes) -> bool:
        """Remove the string `seen` at `key`; tell whether it still was that one."""
        return bool(self._run(_REMOVE, [key], [seen]))

    def members(self, key: str) -> set[str]:
        """Return the members of a set."""
        return {one.decode() for one in cast("set[bytes]", self._client.smembers(key))}

    def publish(self, keys: tuple[str, str], words: Sequence[str | int]) -> tuple[str, str]:
        """Publish what has not been yet; return what the stream and the channel said against it."""
        stream, channel = cast("list[bytes]", self._run(_PUBLISH, keys, words))
        return stream.decode(), channel.decode()

    def _run(self, script: str, keys: Sequence[str], words: Sequence[str | bytes | int]) -> object:
        return cast("object", self._client.eval(script, len(keys), *keys, *cast("Any", words)))


@contextlib.contextmanager
def connected(address: Address) -> Iterator[Server]:
    """Give the server at `address`, asking Sentinel anew each time. Raises DeliveryError."""
    with reached(address) as client:
        yield Server(client)


@contextlib.contextmanager
def reached(address: Address) -> Iterator[redis.Redis]:
    """Give a client of the server at `address`; each answer may take PATIENCE.

    Sentinel is asked anew each time. Whatever goes wrong inside is a DeliveryError outside.
    """
    with _reported(address), contextlib.ExitStack() as stack:
        yield stack.enter_context(_master(address))


def is_of_another_type(error: RefusedError) -> bool:
    """Tell whether a command was refused because of what lies at its key."""
    return str(error).startswith("WRONGTYPE")


def spoken(error: Exception, address: Address) -> str:
    """Return the words of an error in one line, without what must not be shown."""
    text = _ECHO.sub(r"\1 ...", str(error)) or type(error).__name__
    if not isinstance(error, (redis.RedisError, OSError, DeliveryError)):
        text = f"no answer of a Redis ({type(error).__name__}: {text})"
    for secret in sorted(address.secrets, key=len, reverse=True):
        for form in (secret, quote(secret, safe=""), quote(secret)):
            text = text.replace(form, "***")
    return clean(text, _LONGEST)


@contextlib.contextmanager
def _reported(address: Address) -> Iterator[None]:
    try:
        yield
    except DeliveryError as error:
        raise DeliveryError(spoken(error, address)) from None
    # Not only Redis' own: what answers may be no Redis, and the library stumbles over it somewhere.
    except Exception as error:  # noqa: BLE001 - every one of them says that it was not taken
        raise DeliveryError(f"{address}: {spoken(error, address)}") from None


@contextlib.contextmanager
def _closing(client: redis.Redis) -> Iterator[redis.Redis]:
    """Close the connection at the end: close() of redis-py 5.0 leaves it to the collector."""
    try:
        yield client
    finally:
        client.connection_pool.disconnect()


@contextlib.contextmanager
def _master(address: Address) -> Iterator[redis.Redis]:
    if not address.service:
        host, port = address.hosts[0] if address.hosts else ("", 0)
        with _closing(_client(address, host, port)) as client:
            yield client
        return
    refusals = []
    for sentinel in address.hosts:
        try:
            client = _ask(address, sentinel)
        except Exception as error:  # noqa: BLE001 - as in _reported(); the next one may do better
            refusals.append(f"{named(*sentinel)}: {spoken(error, address)}")
            continue
        with _closing(client):
            yield client
        return
    raise DeliveryError(f"no master of {address.service}: " + "; ".join(refusals))


def _ask(address: Address, sentinel: tuple[str, int]) -> redis.Redis:
    """Return a client of the master one Sentinel names; it may not have noticed that it changed."""
    with _closing(_socket_client(*sentinel, address.sentinel_login, address.tls)) as one:
        answer = cast("Any", one.sentinel_get_master_addr_by_name(address.service))
    if not answer:
        raise redis.ConnectionError(f"knows no service {address.service}")
    host, port = answer
    name = host.decode() if isinstance(host, bytes) else str(host)
    client = _client(address, name, int(port))
    try:
        role = cast("Any", client.role())[0]
        if role != b"master":
            raise redis.ConnectionError(f"names {named(name, int(port))}, which is no master")
    except BaseException:
        client.connection_pool.disconnect()
        raise
    return client


def _client(address: Address, host: str, port: int) -> redis.Redis:
    if not address.socket:
        return _socket_client(host, port, address.login, address.tls, address.db)
    return redis.Redis(unix_socket_path=address.socket, db=address.db, **_common(address.login))


def _socket_client(host: str, port: int, login: Login, tls: Tls | None, db: int = 0) -> redis.Redis:
    return redis.Redis(host=host, port=port, db=db, **_common(login), **_tls(tls))


def _common(login: Login) -> dict[str, Any]:
    return {
        "username": login.username or None,
        "password": login.password or None,
        "socket_timeout": PATIENCE,
        "socket_connect_timeout": PATIENCE,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }


def _tls(tls: Tls | None) -> dict[str, Any]:
    if tls is None:
        return {}
    return {
        "ssl": True,
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_ca_certs": tls.ca or None,
        "ssl_certfile": tls.certificate or None,
        "ssl_keyfile": tls.key or None,
    }
