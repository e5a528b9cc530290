from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import samples
from playwright.sync_api import Browser, sync_playwright

from conformance.report import write_reports
from conformance.report.result import Result

SAMPLES = {
    "conformant": samples.conformant,
    "violated": samples.violated,
    "undecided": samples.undecided,
    "hostile": samples.hostile,
    "large": samples.large,
    "small": samples.small,
}
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: needs Chromium in /usr/bin/chromium; fails without it")


@pytest.fixture(autouse=True)
def no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests themselves may run in a CI job: what they print must not depend on it."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each sample's reports, written once: the directory by the sample's name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GITHUB_STEP_SUMMARY", raising=False)
        found = {}
        for name, build in SAMPLES.items():
            found[name] = tmp_path_factory.mktemp(name)
            write_reports(build(), found[name])
        return found


@pytest.fixture(scope="session")
def results() -> dict[str, Result]:
    """Each sample by its name."""
    return {name: build() for name, build in SAMPLES.items()}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; its absence is an error and no skip."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield found
        found.close()
