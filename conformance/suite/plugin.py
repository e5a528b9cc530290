"""The pytest plugin: options, fixtures, and what becomes of a case.

A case says what to provoke; the oracle judges every exchange of it. So a case has no assertions of its own: it
fails when the oracle found something in it, and is skipped, with a reason, when it could not be carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from conformance.errors import SuiteError
from conformance.suite.alongside import Alongside, is_worker
from conformance.suite.options import PROFILES, add_options, options_of

if TYPE_CHECKING:
    from conformance.suite.lanes import Lane, Overlapping
    from conformance.suite.session import Session

_SESSION = pytest.StashKey["Session"]()
_OUTCOMES = pytest.StashKey[dict[str, tuple[str, str | None]]]()
TWINS = pytest.StashKey[set[str]]()
_FAILURE = pytest.StashKey[SuiteError]()
LAST = 2
_ALONGSIDE = "spot-conformance-alongside"
_MARKS = (
    "exercises(*ids): the requirements that a case provokes",
    "profile(name): the smallest profile that runs the case (standard or thorough)",
    "alone: the case may not overlap with others",
    "few: the case lists open orders, so it overlaps with a few others only",
    "behind: the case trades behind the best price, so it overlaps with its like only",
    "one_sided: the case takes the whole balance for its side, so it overlaps with one of the other side only",
    "by_turns(name): where answers take very long, it is tried with each value of this parameter by turns",
    "near: where answers take long the case is left out, unless the profile is thorough; it goes alone",
    "long: the case waits for many answers, so it begins first where cases overlap",
    "last: the case needs a book without any other order of ours",
    "aged: the case cancels orders that were placed seconds ago, so it comes last",
)


@pytest.hookimpl(trylast=True)
def pytest_load_initial_conftests(parser: pytest.Parser) -> None:
    """Add the suite's options, after those of all other plugins."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks, and what a run inside another project needs."""
    for mark in _MARKS:
        config.addinivalue_line("markers", mark)
    config.pluginmanager.register(Alongside(config), _ALONGSIDE)


def _is_ours(item: pytest.Item) -> bool:
    return item.get_closest_marker("exercises") is not None


def requirements_of(item: pytest.Item) -> list[str]:
    """The requirements that a case says it exercises."""
    return sorted({name for mark in item.iter_markers("exercises") for name in mark.args})


def case_name(item: pytest.Item) -> str:
    """A case's short name: chapter, function and parameters."""
    return f"{item.path.stem.removeprefix('test_')}::{item.name}"


def turn(item: pytest.Item) -> int:
    """When a case comes: 0 with most, 1 after them, `LAST` after all of these."""
    if item.get_closest_marker("last") is not None:
        return LAST
    return 1 if item.get_closest_marker("aged") is not None else 0


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Select what is to be carried out."""
    select(config, items)


def select(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop what the profile or `--only` leaves out, and put the cases that need aged orders last."""
    ours = [item for item in items if _is_ours(item)]
    if not ours:
        return
    from conformance.contract import load_contract

    options = options_of(config)
    level = PROFILES.index(options.profile)
    try:
        wanted = {requirement.id for requirement in load_contract().select(options.only)}
    except SuiteError as error:
        raise pytest.UsageError(str(error)) from None
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
    items[:] = sorted(kept, key=turn)


def _open(session: pytest.Session) -> SuiteError | None:
    """Make contact, once; why it failed, if it did."""
    from conformance.suite.session import Session

    stash = session.config.stash
    if _SESSION not in stash and _FAILURE not in stash:
        ours = [item for item in session.items if _is_ours(item)]
        try:
            stash[_SESSION] = Session.open(options_of(session.config), ours)
        except SuiteError as error:
            Session.failure = stash[_FAILURE] = error
            return error
    return None


def pytest_runtestloop(session: pytest.Session) -> None:
    """Make contact before the first case, so that a target that cannot be tested is said once and plainly.

    Where a project's own tests run too, or in a worker of pytest-xdist, which may get none of ours, that waits.
    """
    if session.config.option.collectonly or is_worker(session.config) or not session.items:
        return
    if not all(map(_is_ours, session.items)):
        return
    if (error := _open(session)) is not None:
        pytest.exit(f"spot-conformance: {error}", returncode=error.exit_status)
    from conformance.suite.twins import twins

    session.config.stash[_OUTCOMES] = {}
    session.config.stash[TWINS] = twins(item for item in session.items if isinstance(item, pytest.Function))
    _overlap(session.config, session.items)


def _overlap(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Carry out at the same time what may overlap of these cases, if the target is far away."""
    from conformance.suite.lanes import BEHIND, MOST, ONE_SIDED

    for group, most in enumerate((MOST, BEHIND, ONE_SIDED)):
        cases = _overlapping(items, group, config.stash[TWINS])
        config.stash[_OUTCOMES] |= config.stash[_SESSION].overlap(cases, most)


def _overlapping(items: list[pytest.Item], group: int, left_out: set[str]) -> Iterator[Overlapping]:
    """The cases that may overlap, those that ask for nothing but what each lane has.

    With all others (group 0), with others that trade behind the best price (1), or with one of the other side (2).
    Of those whose twin is tried, `left_out` has the node ids.
    """
    from conformance.suite.lanes import SHARED, Overlapping

    for item in items:
        assert isinstance(item, pytest.Function)
        names = item._fixtureinfo.argnames
        given = item.callspec.params if hasattr(item, "callspec") else {}
        asked = [name for name in names if name not in given]
        if _group(item) != group or not SHARED.issuperset(asked):
            continue
        call = _call(item.obj, given, asked)
        key = str(given["side"]) if group == 2 else None
        yield Overlapping(
            case_name(item),
            requirements_of(item),
            call,
            item.nodeid in left_out,
            few=turn(item) == 1 or item.get_closest_marker("few") is not None,
            long=item.get_closest_marker("long") is not None,
            key=key,
        )


def _group(item: pytest.Item) -> int | None:
    """Which group a case overlaps in, None if it goes alone."""
    if turn(item) == LAST or any(item.get_closest_marker(name) is not None for name in ("alone", "near")):
        return None
    if item.get_closest_marker("one_sided") is not None:
        return 2
    return int(item.get_closest_marker("behind") is not None)


def _call(function: Callable[..., object], given: dict[str, Any], asked: list[str]) -> Callable[[Lane], object]:
    return lambda lane: function(**given, **{name: lane.give(name) for name in asked})


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Make contact now, if that waited; if it fails, the first case says so and the others are skipped."""
    if not _is_ours(item):
        return
    if (error := _open(item.session)) is not None:
        pytest.fail(f"spot-conformance: {error}", pytrace=False)
    if item.config.stash.get(_FAILURE, None) is not None:
        pytest.skip("spot-conformance: no contact with the target")
    if _OUTCOMES in item.config.stash and item.config.stash[_SESSION].has_become_distant():
        items = item.session.items
        _overlap(item.config, items[items.index(item) :])


def session_of(config: pytest.Config) -> Session | None:
    """The run, once it has made contact."""
    return config.stash.get(_SESSION, None)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Clean the target up; unless the command line does it, judge the record and write the reports."""
    opened = session_of(session.config)
    if opened is None:
        return
    opened.finish()
    if not hasattr(session.config.option, "case_listeners") and not hasattr(session.config.option, "row_listeners"):
        alongside = session.config.pluginmanager.get_plugin(_ALONGSIDE)
        assert isinstance(alongside, Alongside)
        alongside.finish(opened)


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
    return conformance_session.lane.states


@pytest.fixture
def arena(conformance_session: Session) -> Any:
    """Open connections for the clients of a race."""
    return conformance_session.lane.arena


@pytest.fixture
def aged(conformance_session: Session) -> Any:
    """Orders that were placed when the run began."""
    return conformance_session.aged


@pytest.fixture
def funds(conformance_session: Session) -> Any:
    """What the owner could spend at last, by side."""
    return conformance_session.funds


@pytest.fixture
def generated(conformance_session: Session) -> Any:
    """The generated cancels, which are being made while other cases run."""
    return conformance_session.generated


@pytest.fixture(params=["jwt", "api_key"])
def scheme(request: pytest.FixtureRequest) -> Any:
    """Each of the two credentials."""
    return request.param


def is_left_out(item: pytest.Function) -> bool:
    """Whether a case goes alone whose twin is tried; those that take whole balances choose for themselves."""
    return (
        _group(item) is None
        and "funds" not in item.fixturenames
        and item.nodeid in item.config.stash.get(TWINS, ())
    )


def _why_left_out(session: Session, item: pytest.Function) -> str | None:
    from conformance.suite.lanes import NEAR, TURNS

    if session.is_distant and item.get_closest_marker("near") is not None:
        return NEAR
    return TURNS if session.takes_turns and is_left_out(item) else None


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Carry out a case; fail it for what the oracle found, skip it for what could not be had."""
    session = session_of(pyfuncitem.config)
    if session is None or not _is_ours(pyfuncitem):
        return None
    name = case_name(pyfuncitem)
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    known = pyfuncitem.config.stash.get(_OUTCOMES, {}).get(name)
    if known is None and (why := _why_left_out(session, pyfuncitem)) is not None:
        known = session.leave_out(name, requirements_of(pyfuncitem), why)
    outcome, reason = known or session.carry_out(
        name, requirements_of(pyfuncitem), lambda: pyfuncitem.obj(**arguments)
    )
    if outcome == "failed":
        pytest.fail(reason or "", pytrace=False)
    if outcome in ("undecided", "not_exercised"):
        pytest.skip(f"{outcome}: {reason}")
    return True
