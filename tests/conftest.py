"""What holds for every test: lab tests are marked so, and where it counts a skip is a failure."""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.order import LAB_TEST, SECONDS, spread

if TYPE_CHECKING:
    from collections.abc import Generator

LAB_FIXTURES = {"lab", "bare_lab", "boot_lab", "lab_image"}
NO_SKIP = bool(os.environ.get("CI") or os.environ.get("QT_ESS_NO_SKIP"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--thorough",
        action="store_true",
        help="run what is marked thorough, too, and what is marked every_image on systemd 257, too",
    )


def pytest_configure() -> None:
    # Who runs the tests in the background of a shell has SIGINT ignored, and so would all children.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--thorough"):
        left_out = [item for item in items if item.get_closest_marker("thorough")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
    for item in items:
        if LAB_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("lab")


@pytest.hookimpl(trylast=True, specname="pytest_collection_modifyitems")
def order_for_workers(config: pytest.Config, items: list[pytest.Item]) -> None:
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    if workers == 1:
        return
    named = [(item.nodeid.split("::")[0], item) for item in items]
    others = Counter(module for module, item in named if item.get_closest_marker("lab"))
    seconds = {module: LAB_TEST * number for module, number in others.items()} | SECONDS
    items[:] = spread(named, workers, seconds)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if not hasattr(report, "wasxfail"):
        _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if NO_SKIP and report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"here a skip is a failure: {report.longreprtext or report.longrepr}"
