"""Which channels a configuration makes, and what is said of a wrong one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ess.aftermath.settings import DEFAULTS, SECRET, Settings
from ess.alerts.channels import configured

SLACK = {"QT_ESS_SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/SECRETsecret"}
SMS = {
    "QT_ESS_TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "QT_ESS_TWILIO_AUTH_TOKEN": "SECRETsecretSECRETsecret00000000",
    "QT_ESS_TWILIO_FROM_NUMBER": "+15550000001",
    "QT_ESS_TWILIO_TO_NUMBERS": "+15551234567,+4915112345678",
}
EMAIL = {
    "QT_ESS_SMTP_HOST": "mail.example",
    "QT_ESS_EMAIL_FROM": "ess@mail.example",
    "QT_ESS_EMAIL_TO": "a@mail.example b@mail.example",
}
LOGIN = {"QT_ESS_SMTP_USERNAME": "ess", "QT_ESS_SMTP_PASSWORD": "SECRETsecret"}
URLS = {"QT_ESS_ALERT_URLS": "ntfys://host/SECRETsecret pover://user@SECRETsecret"}
EVERYTHING = {**SLACK, **SMS, **EMAIL, **LOGIN, **URLS}


def outcome(*groups: dict[str, str]) -> tuple[list[str], list[str]]:
    values = dict(DEFAULTS)
    for group in groups:
        values |= group
    channels, problems = configured(Settings(values))
    assert "SECRETsecret" not in repr(channels) + repr(problems)
    return [channel.name for channel in channels], problems


def test_nothing_is_no_channel_and_no_problem() -> None:
    assert outcome() == ([], [])


def test_one_channel_for_each_addressee() -> None:
    names = ["slack", "sms-1", "sms-2", "email-1", "email-2", "url-1", "url-2"]
    assert outcome(EVERYTHING) == (names, [])


@pytest.mark.parametrize(
    ("switch", "kind"),
    [
        ("QT_ESS_SLACK_ENABLED", "slack"),
        ("QT_ESS_SMS_ENABLED", "sms"),
        ("QT_ESS_EMAIL_ENABLED", "email"),
    ],
)
def test_a_switch_turns_its_group_off_whatever_is_wrong_in_it(switch: str, kind: str) -> None:
    names, problems = outcome(EVERYTHING, {switch: "false", "QT_ESS_SMTP_PORT": "587"})
    assert names
    assert not [name for name in names if name.startswith(kind)]
    assert problems == []
    half = {"QT_ESS_SMTP_HOST": "x", "QT_ESS_TWILIO_FROM_NUMBER": "x"}
    assert not [line for line in outcome(half, {switch: "no"})[1] if f"no {kind}" in line.lower()]


@pytest.mark.parametrize("missing", [*SMS, *EMAIL, *LOGIN])
def test_a_missing_key_is_named_and_costs_its_group_alone(missing: str) -> None:
    names, [problem] = outcome(EVERYTHING, {missing: ""})
    assert missing in problem
    assert "not set" in problem
    kind = "sms" if missing in SMS else "email"
    assert not [name for name in names if name.startswith(kind)]
    assert {"slack", "url-1"} <= set(names)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("QT_ESS_SLACK_WEBHOOK_URL", "https://evil.example/services/T0/B0/SECRETsecret"),
        ("QT_ESS_SLACK_WEBHOOK_URL", "http://hooks.slack.com/services/T0/B0/SECRETsecret"),
        ("QT_ESS_SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T0/SECRETsecret"),
        ("QT_ESS_SLACK_CHANNEL", "#a channel"),
        ("QT_ESS_TWILIO_ACCOUNT_SID", "SECRETsecret"),
        ("QT_ESS_TWILIO_AUTH_TOKEN", "SECRETsecret with a space"),
        ("QT_ESS_TWILIO_FROM_NUMBER", "0155SECRETsecret"),
        ("QT_ESS_SMTP_HOST", "https://mail.example"),
        ("QT_ESS_SMTP_PORT", "0"),
        ("QT_ESS_SMTP_PORT", "65536"),
        ("QT_ESS_SMTP_PORT", "smtp"),
        ("QT_ESS_SMTP_PORT", "\u0665\u0668\u0667"),
        ("QT_ESS_SMTP_SECURITY", "maybe"),
        ("QT_ESS_SMTP_SECURITY", "none"),
        ("QT_ESS_SMTP_PASSWORD", "SECRETsecret\u00fc"),
        ("QT_ESS_EMAIL_FROM", "SECRETsecret"),
    ],
)
def test_a_malformed_value_is_one_problem_that_names_the_key(key: str, value: str) -> None:
    names, [problem] = outcome(EVERYTHING, {key: value})
    assert key in problem
    assert len(names) in (5, 6)


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("QT_ESS_TWILIO_TO_NUMBERS", ["sms-1", "sms-3"]),
        ("QT_ESS_EMAIL_TO", ["email-1", "email-3"]),
        ("QT_ESS_ALERT_URLS", ["url-1", "url-3"]),
    ],
)
def test_one_wrong_addressee_costs_nobody_else_and_renames_nobody(
    key: str, names: list[str]
) -> None:
    first, second = EVERYTHING[key].replace(",", " ").split()
    found, [problem] = outcome(EVERYTHING, {key: f"{first} SECRETsecret {second}"})
    assert [name for name in found if name.split("-")[0] == names[0].split("-")[0]] == names
    assert f"number 2 of {key}" in problem


def test_a_password_in_clear_goes_to_this_host_only() -> None:
    here = {"QT_ESS_SMTP_SECURITY": "none", "QT_ESS_SMTP_HOST": "localhost"}
    assert outcome(EMAIL, LOGIN, here) == (["email-1", "email-2"], [])
    there = {"QT_ESS_SMTP_SECURITY": "none"}
    assert outcome(EMAIL, there) == (["email-1", "email-2"], [])


@pytest.mark.parametrize("value", ["no", "false", "0", "No", "off", "", "never"])
def test_no_url_switches_the_check_of_certificates_off(value: str) -> None:
    names, [problem] = outcome({"QT_ESS_ALERT_URLS": f"jsons://host/?a=b&verify={value}"})
    assert names == []
    assert "url-1" in problem
    assert outcome({"QT_ESS_ALERT_URLS": "jsons://host/?verify=yes"}) == (["url-1"], [])


@given(st.dictionaries(st.sampled_from(sorted(DEFAULTS)), st.text(max_size=40)))
def test_any_values_make_channels_or_problems(values: dict[str, str]) -> None:
    secrets = {values[key] for key in SECRET & set(values) if len(values[key]) > 8}
    # What a problem calls its key by is no secret, even if it is one's value.
    secrets = {secret for secret in secrets if not any(secret in key for key in DEFAULTS)}
    channels, problems = configured(Settings({**DEFAULTS, **values}))
    shown = repr(channels) + repr(problems)
    assert not [secret for secret in secrets if secret in shown]
