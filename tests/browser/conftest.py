"""One browser and one running service for the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import chromium
from tests.browser.service import Service, serving


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run Debian's chromium."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def service(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run a service that registers people. The browser comes first: without it all is skipped."""
    assert browser.is_connected()
    with serving(tmp_path_factory.mktemp("service")) as running:
        yield running
