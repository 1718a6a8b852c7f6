"""Whom to tell: one channel for each addressee that is configured. Pure; loads nothing of apprise.

What is wrong with a group of keys is said by naming the keys, never their values, and costs only
the channels it belongs to.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from ess.alerts import proxy, secrets
from ess.alerts.proxy import Proxy, ProxyError
from ess.alerts.send import AppriseChannel, Service, Wording

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ess.aftermath.channel import Channel
    from ess.aftermath.settings import Settings

_SLACK = re.compile(
    r"https://hooks\.slack(-gov)?\.com/services/([A-Z0-9]+)/([A-Z0-9]+)/([A-Z0-9]+)/?",
    re.IGNORECASE | re.ASCII,
)
_SLACK_CHANNEL = re.compile(r"[+#@]?[A-Za-z0-9_-]{1,32}")
_SID = re.compile(r"AC[0-9a-fA-F]{32}")
_TOKEN = re.compile(r"[0-9A-Za-z]{16,64}")
# What apprise takes; 5 or 6 digits are a short code.
_FROM_NUMBER = re.compile(r"\+[1-9]\d{10,13}|\d{5,6}", re.ASCII)
_TO_NUMBER = re.compile(r"\+[1-9]\d{9,13}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}|[0-9A-Fa-f:]{2,45}")
_PORT = re.compile(r"[1-9]\d{0,4}", re.ASCII)
# All that a login by SMTP can carry here.
_ASCII = re.compile(r"[ -~]+")
_HIGHEST_PORT = 65535
_ADDRESS = r"[A-Za-z0-9_!#$%&*/=?`{|}~^+-]+(?:\.[A-Za-z0-9_!#$%&*/=?`{|}~^+-]+)*"
_ADDRESS += r"@(?:(?:[A-Za-z0-9_-]+\.)+[A-Za-z0-9-]{2,}|[A-Za-z0-9][A-Za-z0-9_-]{5,})"
_RECIPIENT = re.compile(_ADDRESS)
_SENDER = re.compile(rf"{_ADDRESS}|[\w.-](?:[\w .-]{{0,60}}[\w.-])? <{_ADDRESS}>")
_SECURITY = {"starttls": "starttls", "tls": "ssl", "none": "insecure"}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_URL = re.compile(r"[a-z][a-z0-9]*://\S+", re.IGNORECASE | re.ASCII)
_UNVERIFIED = re.compile(r"[?&]verify=(?!(?:yes|true|1)(?:&|$))", re.IGNORECASE)


class _WrongError(Exception):
    """What is wrong with a group of keys, in words that name keys and no value."""


def configured(settings: Settings) -> tuple[list[Channel], list[str]]:
    """Return the channels in the order of the keys, and why others are not among them."""
    channels: list[Channel] = []
    problems: list[str] = []
    way = Proxy()
    try:
        way = proxy.configured(settings)
    except ProxyError as error:
        problems.append(str(error))
    for group in (_slack, _sms, _email, _urls):
        try:
            for found in group(settings):
                if isinstance(found, str):
                    problems.append(found)
                else:
                    channels.append(replace(found, proxy=way))
        except _WrongError as error:
            problems.append(str(error))
    return channels, problems


def _slack(settings: Settings) -> Iterator[AppriseChannel | str]:
    if not _wanted(settings, "QT_ESS_SLACK_ENABLED", needs=("QT_ESS_SLACK_WEBHOOK_URL",)):
        return
    url = settings.text("QT_ESS_SLACK_WEBHOOK_URL")
    webhook = _SLACK.fullmatch(url)
    if not webhook:
        raise _WrongError(
            "no slack alerts: QT_ESS_SLACK_WEBHOOK_URL is not like"
            " https://hooks.slack.com/services/T.../B.../..."
        )
    room = settings.text("QT_ESS_SLACK_CHANNEL")
    _demand("slack", settings, {"QT_ESS_SLACK_CHANNEL": _SLACK_CHANNEL} if room else {})
    service: Service = {
        "schema": "slack",
        "mode": "gov-hook" if webhook[1] else "hook",
        "token_a": webhook[2],
        "token_b": webhook[3],
        "token_c": webhook[4],
        "targets": [room] if room else [],
        # The image would be fetched from a third party.
        "include_image": False,
        "include_footer": False,
    }
    tokens = webhook.groups()[1:]
    yield AppriseChannel("slack", service, (url, "/".join(tokens), *tokens))


def _sms(settings: Settings) -> Iterator[AppriseChannel | str]:
    needs = (
        "QT_ESS_TWILIO_ACCOUNT_SID",
        "QT_ESS_TWILIO_AUTH_TOKEN",
        "QT_ESS_TWILIO_FROM_NUMBER",
        "QT_ESS_TWILIO_TO_NUMBERS",
    )
    if not _wanted(settings, "QT_ESS_SMS_ENABLED", needs=needs):
        return
    _demand("SMS", settings, dict(zip(needs, (_SID, _TOKEN, _FROM_NUMBER), strict=False)))
    sid, token, source = map(settings.text, needs[:3])
    for number, target in enumerate(settings.words("QT_ESS_TWILIO_TO_NUMBERS"), start=1):
        if not _TO_NUMBER.fullmatch(target):
            where = f"number {number} of QT_ESS_TWILIO_TO_NUMBERS"
            yield f"no sms-{number}: {where} is not like +15551234567"
            continue
        service: Service = {
            "schema": "twilio",
            "account_sid": sid,
            "auth_token": token,
            "source": source,
            "targets": [target],
        }
        hidden = (token, f"{sid}:{token}")
        yield AppriseChannel(f"sms-{number}", service, hidden, Wording.SHORT)


def _email(settings: Settings) -> Iterator[AppriseChannel | str]:
    needs = ("QT_ESS_SMTP_HOST", "QT_ESS_EMAIL_FROM", "QT_ESS_EMAIL_TO")
    login = ("QT_ESS_SMTP_USERNAME", "QT_ESS_SMTP_PASSWORD")
    if not _wanted(settings, "QT_ESS_EMAIL_ENABLED", needs=needs, others=login):
        return
    shapes = {"QT_ESS_SMTP_HOST": _HOST, "QT_ESS_SMTP_PORT": _PORT, "QT_ESS_EMAIL_FROM": _SENDER}
    if any(map(settings.text, login)):
        _require("e-mail", settings, login)
        shapes |= dict.fromkeys(login, _ASCII)
    _demand("e-mail", settings, shapes)
    service = _mail_server(settings)
    user, password = map(settings.text, login)
    hidden = (password, f"{user}:{password}", f"\0{user}\0{password}") if password else ()
    for number, target in enumerate(settings.words("QT_ESS_EMAIL_TO"), start=1):
        if _RECIPIENT.fullmatch(target):
            yield AppriseChannel(f"email-{number}", {**service, "targets": [target]}, hidden)
        else:
            where = f"number {number} of QT_ESS_EMAIL_TO"
            yield f"no email-{number}: {where} is not like user@host.example"


def _mail_server(settings: Settings) -> Service:
    host, user, password = map(
        settings.text, ("QT_ESS_SMTP_HOST", "QT_ESS_SMTP_USERNAME", "QT_ESS_SMTP_PASSWORD")
    )
    port = int(settings.text("QT_ESS_SMTP_PORT"))
    security = settings.text("QT_ESS_SMTP_SECURITY").lower()
    if port > _HIGHEST_PORT:
        raise _WrongError(f"no e-mail alerts: QT_ESS_SMTP_PORT is above {_HIGHEST_PORT}")
    if security not in _SECURITY:
        raise _WrongError("no e-mail alerts: QT_ESS_SMTP_SECURITY is not starttls, tls or none")
    if password and security == "none" and host not in _LOOPBACK:
        raise _WrongError(
            "no e-mail alerts: QT_ESS_SMTP_SECURITY=none would send QT_ESS_SMTP_PASSWORD in clear"
        )
    return {
        "schema": "mailto" if security == "none" else "mailtos",
        "host": host,
        "smtp_host": host,
        "port": port,
        "secure_mode": _SECURITY[security],
        # apprise takes a pair of these as parts of a URL and decodes them.
        "user": quote(user, safe=""),
        "password": quote(password, safe=""),
        "from_addr": settings.text("QT_ESS_EMAIL_FROM"),
        "format": "text",
    }


def _urls(settings: Settings) -> Iterator[AppriseChannel | str]:
    for number, url in enumerate(settings.words("QT_ESS_ALERT_URLS"), start=1):
        which = f"no url-{number}: number {number} of QT_ESS_ALERT_URLS"
        if not _URL.fullmatch(url):
            yield f"{which} is no apprise URL (service://...)"
        elif _UNVERIFIED.search(url):
            yield f"{which} switches off the check of certificates (verify=)"
        else:
            yield AppriseChannel(f"url-{number}", url, secrets.of_url(url))


def _wanted(
    settings: Settings, switch: str, *, needs: tuple[str, ...], others: tuple[str, ...] = ()
) -> bool:
    """Tell whether a group is on and any of its keys set. Raises _WrongError when not all are."""
    if not settings.on(switch) or not any(map(settings.text, (*needs, *others))):
        return False
    _require(_GROUPS[switch], settings, needs)
    return True


_GROUPS = {
    "QT_ESS_SLACK_ENABLED": "slack",
    "QT_ESS_SMS_ENABLED": "SMS",
    "QT_ESS_EMAIL_ENABLED": "e-mail",
}


def _require(group: str, settings: Settings, keys: tuple[str, ...]) -> None:
    missing = [key for key in keys if not settings.text(key)]
    if missing:
        raise _WrongError(f"no {group} alerts: {' and '.join(missing)} not set")


def _demand(group: str, settings: Settings, shapes: dict[str, re.Pattern[str]]) -> None:
    wrong = [key for key, shape in shapes.items() if not shape.fullmatch(settings.text(key))]
    if wrong:
        raise _WrongError(f"no {group} alerts: {' and '.join(wrong)} malformed")
