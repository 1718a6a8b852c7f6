"""The part of the screen that is about the watcher: its evaluators and the feeds. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess.monitor.layout import Line, bar, cut, percent, span, stamp, wrap
from ess.monitor.picture import NOT_YOURS
from ess.watch.verdict import Mood

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ess.monitor.picture import Watch
    from ess.watch.standing import Standing
    from ess.watch.verdict import Verdict

_CLOSE = 0.8
_EVALUATORS = 40
_FEEDS = 5
_FEED_WIDTH = 30
_WORDS = {Mood.QUIET: "ok", Mood.LEARNING: "LEARNING", Mood.BLIND: "BLIND", Mood.BREACH: "BREACH"}
_TONES = {Mood.QUIET: "", Mood.LEARNING: "warn", Mood.BLIND: "bad", Mood.BREACH: "bad"}
_MEANING = {
    Mood.BREACH: "BREACH: a limit is broken, which is a reason to stop trading.",
    Mood.BLIND: "BLIND: figures are missing or too old, which is a reason to stop trading.",
    Mood.LEARNING: "LEARNING: nothing was heard yet, so it guards nothing yet.",
}
_ORDER = (Mood.BREACH, Mood.BLIND, Mood.LEARNING, Mood.QUIET)


def word(verdict: Verdict) -> str:
    """Return how an evaluator stands, in one word."""
    is_close = verdict.mood is Mood.QUIET and verdict.nearness >= _CLOSE
    return "CLOSE" if is_close else _WORDS[verdict.mood]


def lines(watch: Watch, now: float, width: int) -> list[Line]:
    """Return everything about the watcher; `now`: s since the epoch."""
    if watch.is_off:
        text = "switched off: nothing but people watches the limits. It is switched on in"
        return wrap(f"{text} /etc/quantum-ess/watch.env", width, "WATCHER: ", "warn")
    head = _runs(watch.standing, width) if watch.judges else None
    found = head or _unknown(watch, now, width)
    if watch.standing is None:
        return found
    found += _evaluators(worst_first(watch.standing), width, known=watch.judges)
    return found + _feeds(watch.standing, width, known=watch.judges)


def worst_first(standing: Standing) -> list[Verdict]:
    """Return the verdicts, those that matter most first."""
    return sorted(
        standing.verdicts, key=lambda one: (_ORDER.index(one.mood), -one.nearness, one.evaluator)
    )


def unknown(watch: Watch, now: float) -> str:
    """Return why it is not known how the limits stand."""
    if watch.standing is None and watch.trouble:
        return watch.trouble
    if watch.written is None:
        return "the watcher has said nothing since this host was started"
    age = max(0.0, now - watch.written)
    return f"the watcher says nothing since {stamp(watch.written)} ({span(age)})"


def _runs(standing: Standing | None, width: int) -> list[Line]:
    if standing is None:
        return []
    ago = f"judged {span(standing.age)} ago"
    broken = _counted(standing.verdicts)
    tone = "bad" if broken else "warn" if standing.dry_run else "good"
    mode = "DRY RUN, it stops nothing" if standing.dry_run else "running"
    return wrap(f"{mode}; {ago}{broken}.", width, "WATCHER: ", tone)


def _counted(verdicts: Sequence[Verdict]) -> str:
    counts = ((mood, sum(one.mood is mood for one in verdicts)) for mood in _ORDER[:2])
    return "".join(f"; {count} {_WORDS[mood]}" for mood, count in counts if count)


def _unknown(watch: Watch, now: float, width: int) -> list[Line]:
    found = wrap(f"UNKNOWN: {unknown(watch, now)}.", width, "WATCHER: ", "bad")
    if watch.state:
        found += wrap(f"systemd says of it: {watch.state}", width, "         ")
    if watch.wanted is None or watch.trouble == NOT_YOURS:
        return found + wrap("Next: sudo ess monitor", width, "         ")
    return found + wrap("Next: systemctl status quantum-ess-watch", width, "         ")


def _evaluators(verdicts: Sequence[Verdict], width: int, *, known: bool) -> Iterator[Line]:
    for verdict in verdicts[:_EVALUATORS]:
        yield from _evaluator(verdict, width) if known else _old(verdict, width)
    if len(verdicts) > _EVALUATORS:
        yield Line(f"  ... and {len(verdicts) - _EVALUATORS} more, none of them worse")
    moods = {verdict.mood for verdict in verdicts} if known else set()
    for mood, meaning in _MEANING.items():
        if mood in moods:
            yield from wrap(meaning, width, "  ")


def _evaluator(verdict: Verdict, width: int) -> list[Line]:
    said = word(verdict)
    if verdict.mood is Mood.LEARNING:
        close = f"{'[..........]':<12}   - %"
    else:
        close = f"{bar(verdict.nearness)} {percent(verdict.nearness)}"
    tone = "warn" if said == "CLOSE" else _TONES[verdict.mood]
    return wrap(_told(verdict), width, f"  {said:<8} {close}  ", tone)


def _old(verdict: Verdict, width: int) -> list[Line]:
    # However well it stood then: nothing in this line says that it does now.
    text = f"{verdict.evaluator}: was {word(verdict)}: {verdict.reason}"
    return wrap(text, width, f"  {'UNKNOWN':<8} [??????????]   ? %  ", "warn")


def _told(verdict: Verdict) -> str:
    return f"{verdict.evaluator}: {verdict.reason}" if verdict.reason else verdict.evaluator


def _feeds(standing: Standing, width: int, *, known: bool) -> list[Line]:
    feeds = standing.feeds
    if not feeds:
        return []
    if not known:
        return wrap(f"UNKNOWN; {len(feeds)} were known", width, "FEEDS: ", "warn")
    oldest = sorted(feeds, key=lambda name: (-feeds[name], name))[:_FEEDS]
    ages = ", ".join(f"{cut(name, _FEED_WIDTH)} {span(feeds[name])}" for name in oldest)
    which = "the longest without news" if len(feeds) > _FEEDS else "without news for"
    return wrap(f"{len(feeds)}, {which}: {ages}", width, "FEEDS: ")
