"""Sending through apprise: everything in memory, nothing retried, no secret in any answer."""

from __future__ import annotations

import contextlib
import importlib
import logging
import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from ess.aftermath.channel import DeliveryError, Phase
from ess.alerts import message, secrets
from ess.alerts.proxy import Proxy, through
from ess.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ess.aftermath.channel import Case

Service = dict[str, object]

# Where apprise keeps the services that have keys of their own. To find one by its name it loads all
# two hundred, for several times as long as the rest of an alert takes.
_HOMES = {
    "slack": ("apprise.plugins.slack", "NotifySlack"),
    "twilio": ("apprise.plugins.twilio", "NotifyTwilio"),
    "mailto": ("apprise.plugins.email", "NotifyEmail"),
    "mailtos": ("apprise.plugins.email", "NotifyEmail"),
}
_CONNECT, _READ = 5, 10  # s, both below the deadline of the child that sends
_ANSWER_BYTES = 250
_EXTRA = "apprise is not installed: install quantum-ess[alerts]"
# What apprise says only to those who debug it, and is the reason a person needs.
_REASON = re.compile(
    r"(?:Socket Exception|Notification Exception|Response Details):?\s*(.*)", re.DOTALL
)
# Of the nest of errors around a failed connection the innermost says why.
_AROUND = re.compile(r"\bHTTPS?ConnectionPool\(.*?\(Caused by \w+\((.*)\)\)", re.DOTALL)
_KIND = {
    Phase.CONTAINED: "warning",
    Phase.RELEASED: "success",
    Phase.ARMED: "success",
    Phase.WATCHED: "success",
    Phase.DRILL_PASSED: "success",
    Phase.TEST: "info",
}


class Wording(Enum):
    """How much an addressee can be told at once."""

    LONG = auto()
    SHORT = auto()  # one SMS


@dataclass(frozen=True, slots=True)
class AppriseChannel:
    """One addressee that apprise reaches: `service` is its URL, or that URL taken apart."""

    name: str
    service: Service | str = field(repr=False)
    hidden: tuple[str, ...] = field(repr=False)
    wording: Wording = Wording.LONG
    proxy: Proxy = field(default=Proxy(), repr=False)

    def tell(self, case: Case, repeat: int) -> str:
        """Send and return the answer in one line; may block without end. Raises DeliveryError."""
        said: list[logging.LogRecord] = []
        try:
            with _overhearing(said), through(self.proxy):
                delivered = self._send(message.compose(case, repeat), case.phase)
        except ImportError as error:
            raise DeliveryError(self._line(f"{_EXTRA} ({error})")) from None
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything, with secrets in it
            raise DeliveryError(self._line(_reasons(said) or f"{error}")) from None
        answer = self._line(_reasons(said))
        if not delivered:
            raise DeliveryError(answer or "not delivered, and no reason given")
        return answer or "accepted"

    def _send(self, text: message.Message, phase: Phase) -> bool:
        import apprise  # noqa: PLC0415 - only who sends pays for it

        sender = apprise.Apprise(asset=_asset(apprise))
        service = self._plugin(apprise, sender.asset)
        sender.add(service)
        short = self.wording is Wording.SHORT
        # Only success of all is true.
        return bool(
            sender.notify(
                body=text.short if short else text.body,
                title="" if short else text.title,
                notify_type=_KIND.get(phase, "failure"),
                body_format="text",
            )
        )

    def _plugin(self, apprise: Any, asset: Any) -> Any:
        plugin = self._instance(apprise, asset)
        if plugin is None:
            raise DeliveryError("apprise does not know this service, or not this form of its URL")
        # Whatever a URL asks for: certificates are checked, nobody else gets the request, who
        # tries again is not apprise, and a failure is one.
        plugin.verify_certificate = True
        plugin.redirects = False
        plugin.retry = 0
        plugin.optional = False
        is_mail = hasattr(plugin, "smtp_host")
        # Of a mail server this one limit holds for every answer.
        plugin.socket_connect_timeout = _READ if is_mail else _CONNECT
        plugin.socket_read_timeout = _READ
        return plugin

    def _instance(self, apprise: Any, asset: Any) -> Any:
        service = self.service if isinstance(self.service, str) else dict(self.service)
        if isinstance(service, dict):
            found = _at_home(str(service["schema"]))
            if found is not None:
                return found(**service, asset=asset, tag=set())
        return apprise.Apprise.instantiate(service, asset=asset, suppress_exceptions=False)

    def _line(self, text: str) -> str:
        """Return one line without secrets. They go before it is cut: a half is one, too."""
        return clean(secrets.scrub(text, (*self.hidden, *self.proxy.hidden)), _ANSWER_BYTES)


def _at_home(schema: str) -> Any:
    """Return the class of a service; None where apprise, which may have moved it, is to say."""
    module, name = _HOMES[schema]
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return None
    return found if found.enabled else None


def _asset(apprise: Any) -> Any:
    """Return settings with which apprise reads and writes no file but its own program."""
    return apprise.AppriseAsset(
        app_id="quantum-ess",
        app_desc="emergency stop",
        app_url="",
        plugin_paths=[],
        storage_mode="memory",
        pgp_autogen=False,
        pem_autogen=False,
        http_redirects=False,
        async_mode=False,
        secure_logging=True,
        default_service_retry=0,
        # The deadline is the child's. A thread that apprise gave up would hold up its end.
        service_timeout=0,
        interpret_emojis=False,
        interpret_escapes=False,
        language="en",
    )


class _Ear(logging.Handler):
    def __init__(self, said: list[logging.LogRecord]) -> None:
        super().__init__(logging.DEBUG)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        self._said.append(record)


@contextlib.contextmanager
def _overhearing(said: list[logging.LogRecord]) -> Iterator[None]:
    """Collect what apprise logs, and let it reach nobody else."""
    logger = logging.getLogger("apprise")
    before = logger.level, logger.propagate, logger.handlers
    logger.handlers = [_Ear(said)]
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        level, logger.propagate, logger.handlers = before
        logger.setLevel(level)


def _reasons(said: list[logging.LogRecord]) -> str:
    """Return what apprise said to everybody, and the reasons among what it said to nobody."""
    lines = []
    for record in said:
        text = record.getMessage()
        reason = _REASON.match(text)
        if record.levelno >= logging.INFO or reason:
            line = _AROUND.sub(r"\1", reason[1] if reason else text)
            lines.append(line.strip().rstrip("."))
    return "; ".join(dict.fromkeys(line for line in lines if line))
