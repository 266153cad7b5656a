"""What all tests share: shapes are checked at run time, and small systems to work with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

with install_import_hook(["adit.model", "adit.flow", "adit.data.augment"], "beartype.beartype"):
    import adit.data.augment
    import adit.flow.loss
    import adit.flow.path
    import adit.flow.solver
    import adit.model.dit
    import adit.model.features
    import adit.model.vae  # noqa: F401

from adit.outputs import check
from adit.systems import AtomicSystem, Kind, cell_from_parameters
from tests.failures import Failures
from tests.order import Order
from tests.paper_map import PaperMap

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser.driver import Visit

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")  # tests are never timed


def pytest_configure(config: pytest.Config) -> None:
    """Let tests that docs/paper.md names fail where they do not call their function; order tests, name failures."""
    config.pluginmanager.register(PaperMap())
    config.pluginmanager.register(Order())
    if not hasattr(config, "workerinput"):  # processes of pytest-xdist report to this one
        config.pluginmanager.register(Failures())


def random_crystal(random: np.random.Generator, n: int, name: str = "crystal") -> AtomicSystem:
    cell = cell_from_parameters(random.uniform(3, 8, 3), random.uniform(65, 115, 3))
    return AtomicSystem(name, Kind.CRYSTAL, random.integers(1, 90, n), random.random((n, 3)) @ cell, cell)


def random_molecule(random: np.random.Generator, n: int, name: str = "molecule") -> AtomicSystem:
    return AtomicSystem(name, Kind.MOLECULE, random.integers(1, 10, n), random.normal(size=(n, 3)) * 2)


@pytest.fixture(autouse=True)
def _nothing_is_adopted() -> None:
    """Forget ``--adopt`` of a command line that an earlier test ran in this process."""
    check._adopting.set(False)


@pytest.fixture
def mixed() -> list[AtomicSystem]:
    """Two crystals and two molecules of different sizes."""
    random = np.random.default_rng(0)
    return [
        random_crystal(random, 5, "a"),
        random_molecule(random, 9, "b"),
        random_crystal(random, 2, "c"),
        random_molecule(random, 3, "d"),
    ]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, of which there is one in per process of tests."""
    from tests.browser.driver import CHROMIUM, started

    if not CHROMIUM:
        pytest.skip("no Chromium: install the package chromium")
    with started() as open_browser:
        yield open_browser


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """A window without a network."""
    from tests.browser.driver import PATIENCE_MS, Visit

    context = browser.new_context(offline=True, viewport={"width": 1400, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    yield Visit(context.new_page())
    context.close()
