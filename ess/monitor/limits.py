"""The part of the screen that is about the watcher: its evaluators and the feeds. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess.monitor.layout import Line, bar, cut, percent, span, stamp, wrap
from ess.watch import how
from ess.watch.verdict import Mood

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ess.watch.look import Watch
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
    told = how.line(watch, now)
    ago = f"; judged {span(watch.standing.age)} ago" if watch.standing and watch.judges else ""
    found = wrap(f"{told.text}{ago}.", width, "WATCHER: ", told.tone)
    if not watch.judges:
        found += _last_words(watch, now, width)
    if watch.standing is None:
        return found
    found += _evaluators(worst_first(watch.standing), width, known=watch.judges)
    return found + _feeds(watch.standing, width, known=watch.judges)


def worst_first(standing: Standing) -> list[Verdict]:
    """Return the verdicts, those that matter most first."""
    return sorted(
        standing.evaluators, key=lambda one: (_ORDER.index(one.mood), -one.nearness, one.evaluator)
    )


def _last_words(watch: Watch, now: float, width: int) -> list[Line]:
    found, first = [], " " * 9
    if watch.written is not None:
        age = span(max(0.0, now - watch.written))
        found = wrap(
            f"It last said how it stands at {stamp(watch.written)} ({age} ago).", width, first
        )
    is_hidden = how.how(watch) is how.How.UNKNOWN
    return found + wrap(f"Next: sudo ess {'monitor' if is_hidden else 'doctor'}", width, first)


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
