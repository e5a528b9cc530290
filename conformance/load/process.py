"""The process that Locust runs in: users on greenlets, alone or as Locust's master or worker.

It reads a `Job` from its standard input, writes a line of JSON to its standard output now and then, and at the end
one with its `Part`. SIGTERM ends the load, cleans up, and still tells what was seen.
"""

from __future__ import annotations

# first of all: it makes gevent patch the standard library, which must happen before anything else uses it
import locust  # isort: skip

import itertools
import signal
import sys
import time
import traceback
from types import TracebackType
from typing import Any

import gevent
import gevent.event
import gevent.lock
import msgspec
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import MasterRunner, WorkerRunner

from conformance.errors import SuiteError
from conformance.load.outcome import Line, Part, merged
from conformance.load.plan import Job, Plan
from conformance.load.session import LoadSession
from conformance.load.trader import Trader, Turn
from conformance.target.market import Band
from conformance.target.redact import masked
from conformance.target.trouble import LimitReached, NotExercised, Trouble, Undecidable

_STOP_S = 45.0  # how long a user may take to end its round
_HURRY_S = 2.0  # the same once a signal has come
_GATHER_S = 90.0  # how long the master waits for what its workers have to say
_WORKERS_S = 60.0  # how long it waits for them to come
_REPORT_S = 2.0
_STUCK = 10  # rounds in a row that a user cannot carry out, after which it gives up
_PLAN, _PART = "spot-load-plan", "spot-load-part"


class Shared(msgspec.Struct):
    """What the master tells its workers: the plan, and the band that it has found."""

    plan: Plan
    band: Band


def say(line: Line) -> None:
    """A line for the command that started this process."""
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    sys.stdout.flush()


def _events(environment: Environment) -> Any:
    return environment.events  # its methods have no types


class Load:
    """The load of this process: what its users have in common."""

    def __init__(self, job: Job) -> None:
        self.session = LoadSession(job)
        self.job = job
        self.turn = Turn()
        self.numbers = itertools.count()
        self.index = 0
        self.stop = gevent.event.Event()
        self.ready = gevent.event.Event()  # the target is reached: a worker's users may come before that
        self.hurried = False
        self.environment = Environment(user_classes=[SpotUser], stop_timeout=_STOP_S)
        _events(self.environment).user_error.add_listener(self.crashed)
        self.failure = ""
        self.memory: list[tuple[float, float]] = []

    def number(self) -> int:
        """A number for the next user that no user of another process gets: they count in steps."""
        return self.index + next(self.numbers) * self.session.plan.workers

    def hurry(self) -> None:
        """A signal asks for the end."""
        self.hurried = True
        self.environment.stop_timeout = _HURRY_S
        self.stop.set()

    def finish(self) -> Part:
        """Cancel what is open (after a signal that is left to our parent), and say what this process has seen."""
        self.session.end()
        left = 0 if self.hurried else self.session.sweep()
        part = self.session.part(final=True, left=left, failure=self.failure, fills=self.turn.reason)
        part.memory = self.memory
        return part

    def crashed(self, user_instance: Any, exception: BaseException, tb: TracebackType | None, **more: Any) -> None:
        """A user ended by an error that nobody expected: the load goes on, and counts for nothing."""
        if not self.failure:
            self.failure = f"internal error: {type(exception).__name__}"
            sys.stderr.write(masked("".join(traceback.format_exception(exception))))

    def watch(self) -> None:
        """Report on the way, until the process ends."""
        import psutil

        process, began = psutil.Process(), time.monotonic()
        for tick in itertools.count(1):
            gevent.sleep(_REPORT_S)
            session = self.session
            if tick % 5 == 0 and len(self.memory) < 10_000:
                self.memory.append((time.monotonic() - began, round(process.memory_info().rss / 2**20, 1)))
            broken = sum(bool(tally.groups) for tally in session.judge.tallies.values())
            say(Line(exchanges=session.statistics.exchanges, orders=session.statistics.placed, broken=broken))


class SpotUser(locust.User):
    """A user that trades on the target, paced to its share of the rate."""

    load: Load

    def on_start(self) -> None:
        """Take a number and a venue."""
        self.load.ready.wait()
        if self.load.failure:
            raise StopUser
        session, number = self.load.session, self.load.number()
        self.venue = session.user(number)
        self.trader = Trader(self.venue, self.load.turn, f"{session.plan.seed}/{number}")
        self.next = time.monotonic() + self.trader.random.random() / session.plan.user_rate
        self.stuck = 0

    @locust.task
    def trade(self) -> None:
        """One round; what keeps a user from it is counted, and waited for."""
        session, before = self.load.session, self.venue.placed
        if before >= self.venue.settings.safety.max_orders:
            raise StopUser
        try:
            self.trader.step()
            self.stuck = 0
        except LimitReached:
            raise StopUser from None
        except (Trouble, Undecidable, NotExercised) as trouble:
            self.stuck += 1
            session.trouble(str(trouble))
            if self.stuck >= _STUCK:
                raise StopUser from None
            self.venue.pause(min(self.stuck, 4))
        finally:
            session.done(self.venue)
            # late rounds are not caught up with by a burst of more than a second's worth
            self.next += max(1, self.venue.placed - before) / session.plan.user_rate
            self.next = max(self.next, time.monotonic() - 1.0)

    def wait_time(self) -> float:
        """Seconds until the next round, so that the user places orders at its rate."""
        return max(0.0, self.next - time.monotonic())


def alone(load: Load, environment: Environment) -> Part:
    """All users in this process."""
    load.session.contact(None)
    load.ready.set()
    load.session.begin()
    runner = environment.create_local_runner()
    runner.start(load.session.plan.users, spawn_rate=load.session.plan.users)
    _wait(load, runner)
    runner.stop()
    return load.finish()


def _wait(load: Load, runner: Any) -> None:
    """Until the time is over, somebody asks to stop, or no user is left."""
    end = time.monotonic() + load.session.plan.duration_s
    while time.monotonic() < end and not load.stop.wait(min(0.2, max(0.0, end - time.monotonic()))):
        if runner.user_count == 0 and time.monotonic() > end - load.session.plan.duration_s + _REPORT_S * 2:
            return


def lead(load: Load, environment: Environment) -> Part:
    """The master: it sends no load, but finds the band, tells the workers, and adds up what they saw."""
    job, plan = load.job, load.session.plan
    load.session.contact(None)
    runner: MasterRunner = environment.create_master_runner(job.host, job.port)
    parts: dict[str, Part] = {}

    def take(environment: Environment, msg: Any, **more: Any) -> None:
        parts[str(msg.node_id)] = msgspec.json.decode(msg.data["json"], type=Part)

    runner.register_message(_PART, take)
    say(Line(waiting=plan.workers))
    patience = time.monotonic() + _WORKERS_S
    while len(runner.clients.ready) < plan.workers and time.monotonic() < patience and not load.stop.is_set():
        gevent.sleep(0.1)
    if len(runner.clients.ready) >= plan.workers:
        runner.send_message(_PLAN, {"json": msgspec.json.encode(Shared(plan, load.session.main.band)).decode()})
        runner.start(plan.users, spawn_rate=plan.users)
        load.stop.wait(plan.duration_s)
        runner.stop()
    else:
        load.failure = f"{len(runner.clients.ready)} of {plan.workers} workers came"
    patience = time.monotonic() + _GATHER_S
    while not load.failure and len(parts) < plan.workers and time.monotonic() < patience:
        gevent.sleep(0.1)
    if not load.failure and len(parts) < plan.workers:
        load.failure = f"{len(parts)} of {plan.workers} workers reported"
    runner.quit()
    return merged([*parts.values(), load.finish()])


def follow(load: Load, environment: Environment) -> Part:
    """A worker: it waits for the master's plan, and for the master to end it."""
    runner: WorkerRunner = environment.create_worker_runner(load.job.host, load.job.port)
    done: list[Part] = []
    finished, ending = gevent.event.Event(), gevent.lock.Semaphore()

    def begin(environment: Environment, msg: Any, **more: Any) -> None:
        shared = msgspec.json.decode(msg.data["json"], type=Shared)
        session = load.session
        session.plan, load.index = shared.plan, runner.worker_index
        if load.index != 0:
            load.turn.closed = True  # two workers' orders between bid and ask would meet
        try:
            session.contact(shared.band)
        except SuiteError as error:
            load.failure = f"worker {load.index}: {error}"
            load.stop.set()
        session.begin()
        load.ready.set()

    def end(environment: Environment, **more: Any) -> None:
        with ending:
            if not done:
                done.append(load.finish())
                runner.send_message(_PART, {"json": msgspec.json.encode(done[0]).decode()})
                finished.set()

    runner.register_message(_PLAN, begin)
    _events(environment).test_stop.add_listener(end)
    until: list[Any] = [gevent.spawn(runner.greenlet.join), load.stop, finished]
    gevent.wait(until, count=1)
    runner.stop()
    end(environment)
    _events(environment).quitting.fire(environment=environment, reverse=True)  # tells the master
    gevent.sleep(0.2)
    runner.greenlet.kill(block=True)
    return done[0]


def main() -> None:
    """Carry out the job on standard input."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    load: Load | None = None
    try:
        load = Load(job)
        for number in (signal.SIGTERM, signal.SIGINT):
            gevent.signal_handler(number, load.hurry)
        SpotUser.load = load
        watcher = gevent.spawn(load.watch)
        part = {"local": alone, "master": lead, "worker": follow}[job.role](load, load.environment)
        watcher.kill()
        say(Line(part=part))
    except SuiteError as error:
        if load is not None:
            load.finish()
        say(Line(error=(error.message, error.hint, error.exit_status)))
    except Exception:
        sys.stderr.write(masked(traceback.format_exc()))
        say(Line(error=("internal error", "please report it with the lines above", 70)))
    finally:
        if load is not None:
            load.session.close()


if __name__ == "__main__":
    main()
