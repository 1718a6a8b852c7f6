"""Fixtures that boot host. A lab that cannot be made or booted is a failure, never a skip."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from tests.lab import ground as g
from tests.lab import host, rig
from tests.lab.host import LabError
from tests.lab.lab import Lab
from tests.lab.stable import Stable
from tests.lab.stack import TRADING_UNITS

# Without them nothing would stop what trades.
WATCHES = tuple(f"quantum-ess{unit}" for unit in (".path", "-disk.path", "-request.path"))
INSTALLED = {"lab", "guarded", "stubborn", "unwatched", "limited", "ground", "stable", "survivor"}
LABS = pytest.StashKey[list[Lab]]()

BootLab = Callable[..., Lab]
ArmLab = Callable[..., Lab]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "lab_image" in metafunc.fixturenames:
        marked = map(metafunc.definition.get_closest_marker, ("both_systemds", "every_image"))
        images = host.IMAGES if any(marked) else host.IMAGES[:1]
        metafunc.parametrize("lab_image", images, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--thorough"):
        return
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        (left if _waits_for_a_release(item) else kept).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = kept


def _waits_for_a_release(item: pytest.Item) -> bool:
    """Tell whether this is one for all images, and this image is not the first."""
    if not isinstance(item, pytest.Function) or "lab_image" not in item.fixturenames:
        return False
    image = item.callspec.params["lab_image"]
    return item.get_closest_marker("every_image") is not None and image != host.IMAGES[0]


@functools.cache
def _made(make: Callable[[str], str | None], image: str) -> str | LabError | None:
    try:
        return make(image)
    except LabError as error:
        return error


def _layer(image: str) -> str:
    made = _made(host.product_layer, image)
    if isinstance(made, str):
        return made
    raise LabError(f"no lab with the product: {made}")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Make image and layer here, where the time limit of the test does not count."""
    if isinstance(item, pytest.Function) and "lab_image" in item.fixturenames:
        image = str(item.callspec.params["lab_image"])
        _made(host.ensure_image, image)
        if INSTALLED & set(item.fixturenames):
            _made(host.product_layer, image)
    return (yield)


def _without(node: pytest.Item | pytest.Module, image: str) -> tuple[str, ...]:
    """Return what of ours does not run in this test's labs on an image."""
    marker = node.get_closest_marker("latch_alone")
    if marker is not None and image in (marker.args or host.IMAGES):
        return ("aftermath", "deliver")
    return () if node.get_closest_marker("nobody_told") is None else ("deliver",)


@pytest.fixture
def boot_lab(request: pytest.FixtureRequest, lab_image: str) -> Iterator[BootLab]:
    """A function that boots labs over this test's image (keywords of Lab.up), until its end."""
    booted: list[Lab] = request.node.stash.setdefault(LABS, [])
    without = _without(request.node, lab_image)

    def boot(layer: str | None = None, **keywords: Any) -> Lab:
        booted.append(Lab.up(image=lab_image, layer=layer, without=without, **keywords))
        return booted[-1]

    yield boot
    for lab in booted:
        lab.down()


@pytest.fixture
def bare_lab(boot_lab: BootLab) -> Lab:
    """A lab with Debian alone."""
    return boot_lab()


@pytest.fixture
def lab(boot_lab: BootLab, lab_image: str) -> Lab:
    """A lab in which install.sh of this checkout has run."""
    return boot_lab(layer=_layer(lab_image))


@pytest.fixture
def guarded(boot_lab: BootLab, lab_image: str) -> Lab:
    """A lab with the product and, in /inside, the helpers of tests/lab/ground.py."""
    return boot_lab(layer=_layer(lab_image), bind_ro={g.INSIDE: "/inside"})


@pytest.fixture
def stubborn(boot_lab: BootLab, lab_image: str) -> Lab:
    """The same, configured for one more unit, BOT of tests/lab/rig.py, that only SIGKILL ends."""
    return boot_lab(layer=host.furnished_layer(lab_image, "stubborn", rig.WITH_BOT))


@pytest.fixture
def unwatched(boot_lab: BootLab, lab_image: str) -> Lab:
    """As `guarded`, with the watcher configured, as switch_on() does that, and not enabled."""
    layer = host.furnished_layer(lab_image, "unwatched", rig.WITH_WATCHER)
    return boot_lab(layer=layer, bind_ro={g.INSIDE: "/inside"})


@pytest.fixture
def limited(boot_lab: BootLab, lab_image: str) -> Lab:
    """As `unwatched`, and its systemd heeds MemoryMax=."""
    layer = host.furnished_layer(lab_image, "unwatched", rig.WITH_WATCHER)
    return boot_lab(layer=layer, options=("--memory",))


@pytest.fixture(scope="module")
def ground(request: pytest.FixtureRequest) -> Iterator[g.Ground]:
    """A lab for all tests of the module, as its function `furnish` leaves it."""
    without = functools.partial(_without, request.node)
    ground = g.Ground(request.module.furnish, without=without)
    yield ground
    ground.drop()


@pytest.fixture
def trading(ground: g.Ground, lab_image: str) -> Iterator[Lab]:
    """The ground's lab, in which the four units trade."""
    lab = ground.lab(lab_image)
    g.start(lab, *TRADING_UNITS)
    lab.wait_until(lambda: g.settled(lab, *TRADING_UNITS), what="they trade")
    yield lab
    if not _trades_on(lab):
        ground.clean(*TRADING_UNITS)


def _trades_on(lab: Lab) -> bool:
    """Tell whether a test has stopped nothing: then the next one begins with what there is."""
    try:
        trades = not g.latched(lab) and g.settled(lab, *TRADING_UNITS)
        return trades and set(lab.states(*WATCHES).values()) == {"active"}
    except LabError:
        return False


@pytest.fixture(scope="module")
def stable(request: pytest.FixtureRequest) -> Iterator[Stable]:
    """Where the armed labs of the module stand."""
    stable = Stable(without=functools.partial(_without, request.node))
    yield stable
    stable.drop()


@pytest.fixture
def arm_lab(stable: Stable, lab_image: str) -> Iterator[ArmLab]:
    """A function that returns an armed lab (arguments of Stable.lab), which others used before."""
    yield functools.partial(stable.lab, lab_image)
    stable.back()


@pytest.fixture
def armed(arm_lab: ArmLab) -> Lab:
    """An armed lab, which others may have used before, with the stack of trading units."""
    return arm_lab()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and report.when != "teardown":
        funcargs = getattr(item, "funcargs", {})
        shared = [funcargs[name] for name in ("ground", "stable") if name in funcargs]
        labs = [*item.stash.get(LABS, []), *(lab for one in shared for lab in one.labs)]
        for lab in labs:
            report.sections.append((f"journal of lab {lab.name}", lab.journal_tail()))
        for one in shared:
            one.drop()
    return report
