"""The pytest plugin: options, fixtures, and what becomes of a case.

A case says what to provoke; the oracle judges every exchange of it. So a case has no assertions of its own: it
fails when the oracle found something in it, and is skipped, with a reason, when it could not be carried out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from conformance.errors import SuiteError

if TYPE_CHECKING:
    from conformance.suite.session import Session

_SESSION = pytest.StashKey["Session"]()
_MARKS = (
    "exercises(*ids): the requirements that a case provokes",
    "profile(name): the smallest profile that runs the case (standard or thorough)",
    "last: the case needs a book without any other order of ours",
    "aged: the case cancels orders that were placed seconds ago, so it comes last",
)
PROFILES = ("quick", "standard", "thorough")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options."""
    group = parser.getgroup("spot-conformance", "conformance of a spot exchange's Cancel Order")
    options: list[tuple[str, dict[str, Any]]] = [
        ("--base-url", {"help": "base URL of the target, with its base path (default: the embedded reference)"}),
        ("--symbol", {"help": "the market to use (default: the first one listed)"}),
        ("--conformance-config", {"type": Path, "help": "conformance.toml (default: the one in this directory)"}),
        ("--profile", {"choices": PROFILES, "default": "standard", "help": "how much to try"}),
        ("--conformance-seed", {"type": int, "default": 0, "help": "seed of everything that is drawn"}),
        ("--report-dir", {"type": Path, "default": Path("reports"), "help": "where the reports go"}),
        ("--only", {"action": "append", "default": [], "help": "a requirement or the beginning of its id"}),
        ("--insecure", {"action": "store_true", "default": None, "help": "do not check the target's certificate"}),
        ("--allow-trading", {"action": "store_true", "default": None, "help": "place orders on a remote target"}),
        ("--overload", {"action": "store_true", "default": False, "help": "fill the engine's backlog on purpose"}),
        ("--restart-command", {"metavar": "CMD", "help": "a shell command that restarts the target"}),
    ]
    for name, settings in options:
        try:
            group.addoption(name, **settings)
        except ValueError:  # another plugin (pytest-base-url, say) has an option of that name: it serves as well
            continue


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks."""
    for mark in _MARKS:
        config.addinivalue_line("markers", mark)


def _is_ours(item: pytest.Item) -> bool:
    return item.get_closest_marker("exercises") is not None


def requirements_of(item: pytest.Item) -> list[str]:
    """The requirements that a case says it exercises."""
    return sorted({name for mark in item.iter_markers("exercises") for name in mark.args})


def case_name(item: pytest.Item) -> str:
    """A case's short name: chapter, function and parameters."""
    return f"{item.path.stem.removeprefix('test_')}::{item.name}"


def _turn(item: pytest.Item) -> int:
    if item.get_closest_marker("last") is not None:
        return 2
    return 1 if item.get_closest_marker("aged") is not None else 0


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop what the profile or `--only` leaves out, and put the cases that need aged orders last."""
    ours = [item for item in items if _is_ours(item)]
    if not ours:
        return
    from conformance.contract import load_contract

    level = PROFILES.index(config.getoption("profile"))
    wanted = {requirement.id for requirement in load_contract().select(config.getoption("only"))}
    dropped = []
    for item in ours:
        mark = item.get_closest_marker("profile")
        if (mark is not None and PROFILES.index(mark.args[0]) > level) or not wanted.intersection(
            requirements_of(item)
        ):
            dropped.append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
    gone = set(map(id, dropped))
    kept = [item for item in items if id(item) not in gone]
    items[:] = sorted(kept, key=_turn)


def pytest_runtestloop(session: pytest.Session) -> None:
    """Make contact before the first case, so that a target that cannot be tested is said once and plainly."""
    if session.config.option.collectonly or not any(_is_ours(item) for item in session.items):
        return
    from conformance.suite.session import Session

    Session.failure, Session.recorded = None, False
    try:
        opened = Session.open(session.config.option, [item for item in session.items if _is_ours(item)])
    except SuiteError as error:
        Session.failure = error
        pytest.exit(f"spot-conformance: {error}", returncode=error.exit_status)
    session.config.stash[_SESSION] = opened


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Clean the target up, judge the record and write the reports."""
    opened = session.config.stash.get(_SESSION, None)
    if opened is not None:
        opened.finish()


@pytest.fixture(scope="session")
def conformance_session(pytestconfig: pytest.Config) -> Session:
    """The run: target, record and oracle."""
    return pytestconfig.stash[_SESSION]


@pytest.fixture
def venue(conformance_session: Session, request: pytest.FixtureRequest) -> Any:
    """The target with its two accounts."""
    return conformance_session.venue


@pytest.fixture
def states(conformance_session: Session) -> Any:
    """Makes orders in named states."""
    return conformance_session.states


@pytest.fixture
def aged(conformance_session: Session) -> Any:
    """Orders that were placed when the run began."""
    return conformance_session.aged


@pytest.fixture(params=["jwt", "api_key"])
def scheme(request: pytest.FixtureRequest) -> Any:
    """Each of the two credentials."""
    return request.param


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Carry out a case; fail it for what the oracle found, skip it for what could not be had."""
    session = pyfuncitem.config.stash.get(_SESSION, None)
    if session is None or not _is_ours(pyfuncitem):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    outcome, reason = session.carry_out(
        case_name(pyfuncitem), requirements_of(pyfuncitem), lambda: pyfuncitem.obj(**arguments)
    )
    if outcome == "failed":
        pytest.fail(reason or "", pytrace=False)
    if outcome in ("undecided", "not_exercised"):
        pytest.skip(f"{outcome}: {reason}")
    return True
