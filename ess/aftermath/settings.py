"""What is configured to follow a stop: /etc/quantum-ess/aftermath.env, which only root may read.

A file of its own, because it holds secrets and because no mistake in it may reach the stop. A wrong
line costs the channel it belongs to and is reported by `ess doctor`; the others work on.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from ess import keyfile, regular

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.paths import Paths

DEFAULTS: dict[str, str] = {
    "QT_ESS_REDIS_URL": "",
    "QT_ESS_REDIS_POLICY_KEY": "quantum:policy",
    "QT_ESS_REDIS_STREAM": "quantum:events",
    "QT_ESS_REDIS_CHANNEL": "quantum:events",
    "QT_ESS_SLACK_ENABLED": "true",
    "QT_ESS_SLACK_WEBHOOK_URL": "",
    "QT_ESS_SLACK_CHANNEL": "",
    "QT_ESS_SMS_ENABLED": "true",
    "QT_ESS_TWILIO_ACCOUNT_SID": "",
    "QT_ESS_TWILIO_AUTH_TOKEN": "",
    "QT_ESS_TWILIO_FROM_NUMBER": "",
    "QT_ESS_TWILIO_TO_NUMBERS": "",
    "QT_ESS_EMAIL_ENABLED": "true",
    "QT_ESS_SMTP_HOST": "",
    "QT_ESS_SMTP_PORT": "587",
    "QT_ESS_SMTP_SECURITY": "starttls",
    "QT_ESS_SMTP_USERNAME": "",
    "QT_ESS_SMTP_PASSWORD": "",
    "QT_ESS_EMAIL_FROM": "",
    "QT_ESS_EMAIL_TO": "",
    "QT_ESS_ALERT_URLS": "",
    "QT_ESS_HTTPS_PROXY": "",
    "QT_ESS_NO_PROXY": "",
    "QT_ESS_ALERT_REPEAT": "300",
    "QT_ESS_ALERT_GIVE_UP": "86400",
}
# Never shown, whatever asks.
SECRET = frozenset(
    {
        "QT_ESS_REDIS_URL",
        "QT_ESS_SLACK_WEBHOOK_URL",
        "QT_ESS_TWILIO_AUTH_TOKEN",
        "QT_ESS_SMTP_PASSWORD",
        "QT_ESS_ALERT_URLS",
        "QT_ESS_HTTPS_PROXY",
    }
)
_NUMBER = re.compile(r"\d{1,7}", re.ASCII)
_OTHERS = 0o077


class Settings(NamedTuple):
    """`values` has every key of DEFAULTS; `problems` says what is wrong, without any value;
    `credentials`: the keys whose values systemd passed.
    """

    values: Mapping[str, str] = DEFAULTS
    problems: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Show no value: some are secrets."""
        return f"Settings(problems={self.problems}, credentials={self.credentials})"

    @property
    def none(self) -> bool:
        """Whether nothing at all is configured, so that there is nobody to tell."""
        return self.values == DEFAULTS

    def text(self, key: str) -> str:
        """Return the value of `key`."""
        return self.values[key]

    def words(self, key: str) -> list[str]:
        """Return the value of `key`, a list separated by commas or spaces."""
        return [word for word in re.split(r"[,\s]+", self.values[key]) if word]

    def seconds(self, key: str) -> int:
        """Return the value of `key` in whole seconds; the default when it is no number."""
        text = self.values[key]
        return int(text if _NUMBER.fullmatch(text) else DEFAULTS[key])

    def on(self, key: str) -> bool:
        """Tell whether the switch `key` is on: only what says no clearly is off."""
        return self.values[key].lower() not in ("false", "no", "off", "0")


def load(paths: Paths) -> Settings:
    """Return what is configured. Raises nothing: what cannot be read is among the problems."""
    path = paths.aftermath_config
    problems: list[str] = []
    values = dict(DEFAULTS)
    try:
        data = regular.read(path, keyfile.LARGEST + 1)
        problems += exposure(path)
    except FileNotFoundError:
        data = b""
    except OSError as error:
        data = b""
        problems.append(f"{path}: {error.strerror or error}")
    values |= keyfile.parse(data, path, problems, _wrong)
    passed = _credentials(problems)
    return Settings(values | passed, tuple(problems), tuple(passed))


def exposure(path: str) -> list[str]:
    """Return the problem that others than root may read the file, if they may. Raises OSError."""
    status = os.stat(path)
    if status.st_mode & _OTHERS == 0 and status.st_uid in (0, os.geteuid()):
        return []
    return [f"{path}: others than root may read it; run: chown 0:0 {path}; chmod 600 {path}"]


def _wrong(key: str, value: str) -> str:
    if key not in DEFAULTS:
        return f"unknown key {key}"
    if key in ("QT_ESS_ALERT_REPEAT", "QT_ESS_ALERT_GIVE_UP") and not _NUMBER.fullmatch(value):
        return f"{key} must be whole seconds"
    return ""


def _credentials(problems: list[str]) -> dict[str, str]:
    """Return the keys that systemd passes as credentials of the same name (LoadCredential=)."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY", "")
    found = {}
    for key in _passed(directory, problems) if directory else ():
        try:
            data = regular.read(f"{directory}/{key}", keyfile.LARGEST)
        except OSError as error:
            problems.append(f"credential {key}: {error.strerror or error}")
            continue
        value = data.decode("utf-8", "replace").strip()
        said = "" if value.isprintable() else "control characters in the value"
        said = said or _wrong(key, value)
        if said:
            problems.append(f"credential {key}: {said}")
        else:
            found[key] = value
    return found


def _passed(directory: str, problems: list[str]) -> list[str]:
    """Return the names of the credentials that are meant for us."""
    try:
        return sorted(name for name in os.listdir(directory) if name.startswith("QT_ESS_"))
    except OSError as error:
        problems.append(f"credentials: {error.strerror or error}")
        return []
