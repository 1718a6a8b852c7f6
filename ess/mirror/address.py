"""Where a Redis is, from a URL like that of QT_ESS_REDIS_URL. Pure: needs no Redis client.

    redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]         rediss:// the same over TLS
    unix://[[USER]:PASSWORD@]/PATH[?db=DB]
    redis+sentinel://[[USER]:PASSWORD@]HOST[:PORT],.../SERVICE[/DB]     rediss+sentinel:// over TLS

USER and PASSWORD are those of Redis itself; a Sentinel that wants some gets them as options. What
is special in a URL (`/`, `?`, `#`, `@`, `,`, `%`) is written %2F and so on. Over TLS the
certificate and the name in it are always verified.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from ess.aftermath.settings import Settings

KEY = "QT_ESS_REDIS_URL"
MARKER = "quantum:ess:active"
# Every key of ours begins so; what the user names must not.
OURS = "quantum:ess:"
REDIS_PORT = 6379
SENTINEL_PORT = 26379
_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
# Names as redis-py knows them in its own URLs, but for those of Sentinel.
_OPTIONS = (
    "db",
    "username",
    "password",
    "sentinel_username",
    "sentinel_password",
    "ssl_ca_certs",
    "ssl_certfile",
    "ssl_keyfile",
)
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?\]", re.ASCII)
_HOST_AND_PORT = re.compile(r"(\[[^]]*\]|[^:\[\]]*)(?::([^:]*))?")
_DB = re.compile(r"\d{1,6}", re.ASCII)
_PORT = re.compile(r"\d{1,5}", re.ASCII)
_HIGHEST_PORT = 65535


class AddressError(ValueError):
    """The URL is wrong; str() names the key and the fault, `what`, and shows nothing of it."""

    def __init__(self, what: str, key: str = KEY) -> None:
        super().__init__(f"{key}: {what}")
        self.what = what


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are; both are empty where nobody asks."""

    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Tls:
    """Files, each optional: who is trusted, and what we show of ourselves."""

    ca: str = ""
    certificate: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """`hosts` are Sentinels when there is a `service`; there are none when there is a `socket`."""

    hosts: tuple[tuple[str, int], ...] = ()
    socket: str = ""
    service: str = ""
    db: int = 0
    login: Login = Login()
    sentinel_login: Login = Login()
    tls: Tls | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no text may show."""
        return tuple(filter(None, (self.login.password, self.sentinel_login.password)))

    def __str__(self) -> str:
        if self.socket:
            return self.socket
        hosts = ", ".join(named(*host) for host in self.hosts)
        return f"{self.service} of Sentinel {hosts}" if self.service else hosts


def named(host: str, port: int) -> str:
    """Return host and port as people write them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def problems(settings: Settings) -> list[str]:
    """Say what is wrong with the keys of the mirror, a line each; nothing where it is not used."""
    if not settings.text(KEY):
        return []
    found = [
        f"{key}: keys that begin with {OURS} belong to quantum-ess"
        for key in ("QT_ESS_REDIS_POLICY_KEY", "QT_ESS_REDIS_STREAM")
        if settings.text(key).startswith(OURS)
    ]
    stream = settings.text("QT_ESS_REDIS_STREAM")
    if stream and stream == settings.text("QT_ESS_REDIS_POLICY_KEY"):
        found.append("QT_ESS_REDIS_STREAM: is the same key as QT_ESS_REDIS_POLICY_KEY")
    try:
        parse(settings.text(KEY))
    except AddressError as error:
        found.insert(0, str(error))
    return found


def parse(url: str, key: str = KEY) -> Address:
    """Return the address a URL names. Raises AddressError, which says that `key` is wrong."""
    try:
        return _parsed(url)
    except AddressError as error:
        raise AddressError(error.what, key) from None


def _parsed(url: str) -> Address:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in _SCHEMES:
        raise AddressError("must begin with one of " + ", ".join(f"{one}://" for one in _SCHEMES))
    if "#" in rest:
        raise AddressError("has a #; in a password write %23")
    rest, _, query = rest.partition("?")
    authority, _, path = rest.partition("/")
    user, _, hosts = authority.rpartition("@")
    options = _options(query)
    family, _, kind = scheme.lower().partition("+")
    login = _login(user, options)
    if family == "unix":
        return _on_socket(hosts, path, options, login)
    if "@" in path:
        raise AddressError("has a / before the @; in a password write %2F")
    service, _, db = path.partition("/") if kind else ("", "", path)
    service = _decoded(service)
    if kind and not (service and service.isprintable()):
        raise AddressError("does not name the service Sentinel watches: .../SERVICE/DB")
    return Address(
        hosts=_hosts(hosts, many=bool(kind)),
        service=service,
        db=_db(options.get("db", db)),
        login=login,
        sentinel_login=_both(options, "sentinel_username", "sentinel_password"),
        tls=_tls(options, wanted=family == "rediss"),
    )


def _on_socket(hosts: str, path: str, options: dict[str, str], login: Login) -> Address:
    socket = "/" + _decoded(path)
    if hosts or socket.endswith("/") or not socket.isprintable():
        raise AddressError("unix:// must be followed by the absolute path of a socket")
    _tls(options, wanted=False)
    return Address(socket=socket, db=_db(options.get("db", "")), login=login)


def _login(user: str, options: dict[str, str]) -> Login:
    if not user:
        return _both(options, "username", "password")
    name, _, password = user.partition(":")
    if not password:
        raise AddressError("has a user and no password; a password alone is written :PASSWORD@")
    return Login(_decoded(name), _decoded(password))


def _both(options: dict[str, str], name: str, password: str) -> Login:
    if name in options and not options.get(password):
        raise AddressError(f"has {name} and no {password}")
    return Login(options.get(name, ""), options.get(password, ""))


def _tls(options: dict[str, str], *, wanted: bool) -> Tls | None:
    files = Tls(*(options.get(key, "") for key in _OPTIONS[-3:]))
    if wanted:
        return files
    if files != Tls():
        raise AddressError("has options of TLS, and TLS is rediss://")
    return None


def _options(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in filter(None, query.split("&")):
        key, _, value = one.partition("=")
        if key == "ssl_cert_reqs" and value != "required":
            raise AddressError("ssl_cert_reqs: the certificate is always verified")
        if key not in (*_OPTIONS, "ssl_cert_reqs"):
            # Not shown: it may be the rest of a password.
            known = ", ".join(_OPTIONS)
            raise AddressError(f"has an unknown option (in a password write %3F); known: {known}")
        found[key] = _decoded(value)
    return found


def _hosts(text: str, *, many: bool) -> tuple[tuple[str, int], ...]:
    found = tuple(_host(one, SENTINEL_PORT if many else REDIS_PORT) for one in text.split(","))
    if len(found) > 1 and not many:
        raise AddressError("names several hosts, which is for redis+sentinel://")
    return found


def _host(text: str, port: int) -> tuple[str, int]:
    match = _HOST_AND_PORT.fullmatch(text)
    if not match:
        raise AddressError("an IPv6 address stands in [ ]")
    host = _decoded(match[1])
    if not host:
        raise AddressError("has no host")
    if not _HOST.fullmatch(host):
        raise AddressError("has a host that is neither a name nor an address")
    if match[2] is not None:
        if not _PORT.fullmatch(match[2]) or not 0 < int(match[2]) <= _HIGHEST_PORT:
            raise AddressError("has a port that is no number from 1 to 65535")
        port = int(match[2])
    return host.strip("[]"), port


def _db(text: str) -> int:
    text = text.removesuffix("/")
    if text and not _DB.fullmatch(text):
        raise AddressError("has a database that is no number")
    return int(text or 0)


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise AddressError("has a % sequence that is no UTF-8") from None
