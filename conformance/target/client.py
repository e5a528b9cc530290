"""One request at a time to the target: signed, sent once, bounded in time and size, recorded."""

from __future__ import annotations

import base64
import math
import ssl
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import TypeVar

import httpx

from conformance import __version__, stop
from conformance.errors import ConfigError
from conformance.oracle.bodies import is_infrastructure, try_parse
from conformance.record import Auth, Exchange, Request, Response, Take, text_of
from conformance.target.bounds import ENCODINGS, away, end_deadline, read_body, start_deadline
from conformance.target.clock import Clock
from conformance.target.journal import UNKNOWN_CLOCK_S, Journal
from conformance.target.limits import Limits
from conformance.target.overlap import in_turns
from conformance.target.recorder import Recorder
from conformance.target.redact import Redactor
from conformance.target.settings import Settings
from conformance.target.transport import Transport, proxy_for

T = TypeVar("T")
FAR_S = 0.015  # with answers quicker than this our own work is the larger part, and nothing is won by overlap
RATHER_FAR_S = 0.03  # with answers slower than this not everything is worth its time
VERY_FAR_S = 0.1  # with answers slower than this a whole run would last many minutes
_AT_ONCE = 16  # requests of one case
_LOOK_S = 0.1  # whether a signal has come
_PACE_OF = 15  # exchanges
_AVERAGE_OF = 100  # exchanges
_UNUSUAL = 1  # of them, the slowest, that does not count
_SLOW_S = 0.025  # on average: some kinds of requests take long, if not most
_LEAD = 0.125  # of the time that an answer takes: so much later sets out what must not come first
_LEAST_LEAD_S, _MOST_LEAD_S = 0.005, 0.04
_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": ENCODINGS,
    "Connection": "keep-alive",
    "User-Agent": f"spot-conformance/{__version__}",
}
_MAX_HEADERS = 100
_MAX_HEADER = 2000  # characters kept of a header's value
_CUT_BODY = 100_000  # characters kept of a body that is too large
_TELLING = ("new_order", "cancel_order", "query_order")  # answers that tell what became of one order
_NEVER_SENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError")  # no connection, so no request
_ENDED = ("canceled", "filled", "rejected", "expired")


@dataclass(frozen=True)
class Call:
    """A request to be: what to send, with which credential, and what the suite means by it.

    `path` is raw (percent-encoded as it shall go out) and follows the base path, or `base`; `query` is raw too.
    A header that is None is left out. `limit_s` is how long (s) its answer is waited for, if not as long as the
    settings say.
    """

    op: str
    method: str
    path: str
    query: str = ""
    body: str | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    signer: httpx.Auth | None = None
    auth: Auth | None = None
    case: str = ""
    driver: str = "suite"
    aim: str | None = None
    race: str | None = None
    takes: list[Take] | None = None
    expect: str | None = None
    base: str | None = None
    limit_s: float | None = None


def _tls(settings: Settings) -> ssl.SSLContext:
    """How the target's certificate is checked, and ours shown. Raises OSError for files that cannot be used."""
    if settings.origin.startswith("http:") and not settings.ca_file and not settings.client_cert:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # not used; to read a system's certificates takes a while
    context = httpx.create_ssl_context(verify=not settings.insecure)
    if settings.ca_file:
        context.load_verify_locations(settings.ca_file)
    if settings.client_cert:
        context.load_cert_chain(settings.client_cert)
    return context


class _Limiter:
    """Spaces requests so that no more than `rate` start in a second."""

    def __init__(self, rate: float | None) -> None:
        self._gap = 1 / rate if rate else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        if not self._gap:
            return
        with self._lock:
            now = time.monotonic()
            at = max(self._next, now)
            self._next = at + self._gap
        time.sleep(max(0.0, at - now))


class Client:
    """Sends calls to the target and records every exchange.

    Nothing is sent twice, no redirect is followed, and credentials go to the target's origin only.
    """

    def __init__(
        self, settings: Settings, recorder: Recorder, clock: Clock, redactor: Redactor, journal: Journal
    ) -> None:
        self.settings, self.recorder, self.clock, self.redactor = settings, recorder, clock, redactor
        self.journal = journal
        self._base = settings.base_path
        self._origin = httpx.URL(settings.origin)
        self._timeout = httpx.Timeout(settings.timeout_s).as_dict()
        self.limits = Limits(settings.safety)
        self._limiter = _Limiter(settings.safety.max_requests_per_second)
        try:
            self._tls = _tls(settings)
        except (OSError, ValueError) as error:
            raise ConfigError(f"cannot use the TLS settings: {error}", "look at ca_file and client_cert") from None
        self._http = self.new_http()
        self._took: deque[float] = deque(maxlen=_AVERAGE_OF)
        self._answered: deque[float] = deque(maxlen=_PACE_OF)

    @property
    def usual_s(self) -> float:
        """How long (s) the newest answers took, by their median, without what we waited in between."""
        return statistics.median(list(self._answered) or [0.0])

    @property
    def pace(self) -> float:
        """How long (s) the target usually takes to answer, by the newest exchanges.

        That is the median, or the average where that is long: then cancels take long, say, and nothing else.
        """
        took = list(self._took)
        if not took:
            return 0.0
        median = statistics.median(took[-_PACE_OF:])
        usual = sorted(took)[:-_UNUSUAL]
        average = sum(usual) / len(usual) if usual else 0.0
        return max(median, average) if average > _SLOW_S else median

    def waited(self, seconds: float) -> None:
        """Count what the target makes us wait as the time of an answer: other cases may go on meanwhile."""
        self._took.append(seconds)

    def together(self, tasks: Sequence[Callable[[], T]]) -> list[T]:
        """What the tasks return, which send requests that do not depend on each other.

        Where answers take long they are carried out at the same time, else in turns. If any raises, the first
        exception is raised after all that have begun have ended.
        """
        if len(tasks) < 2 or self.pace < FAR_S:
            return in_turns(tasks)
        pool = ThreadPoolExecutor(min(len(tasks), _AT_ONCE), thread_name_prefix="together")
        try:
            return at_once(pool, tasks)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def new_http(self) -> Transport:
        """A fresh connection pool with the settings' TLS and proxy (from the environment).

        Without an `httpx.Client` around it: a request carries no cookie of an earlier one, and costs less.
        """
        proxy = None if self.settings.is_loopback else proxy_for(self.settings.origin)
        return Transport(self._tls, proxy=proxy, connections=64, kept=32)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def send(self, call: Call, http: Transport | None = None) -> Exchange:
        """Send `call` once and record it. A network failure is an exchange with an error, not an exception."""
        with stop.postponed():
            return self.record(self.transfer(call, http))

    def in_turn(self, calls: Sequence[Call], http: Transport | None = None) -> list[Exchange]:
        """Send calls so that each sets out a moment after the one before has left, not after its answer.

        What comes back is not recorded yet, so that the caller can say first what an earlier answer tells of a
        later request. If any raises, all that were sent are recorded and the first exception is raised.
        """
        wait_s = min(max(_LEAST_LEAD_S, self.pace * _LEAD), _MOST_LEAD_S)
        futures: list[Future[Exchange]] = []
        pool = ThreadPoolExecutor(len(calls), thread_name_prefix="in turn")
        try:
            for call in calls:
                if futures:
                    time.sleep(wait_s)
                gone = threading.Event()
                with stop.postponed():
                    futures.append(pool.submit(self.transfer, call, http, gone.set))
                    futures[-1].add_done_callback(lambda _, gone=gone: gone.set())  # type: ignore[misc]
                    while not gone.wait(_LOOK_S) and not stop.is_overdue():
                        pass
            return _results(futures)
        except BaseException:
            for future in futures:
                if future.done() and future.exception() is None:
                    self.record(future.result())
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def transfer(
        self, call: Call, http: Transport | None = None, gone: Callable[[], object] | None = None
    ) -> Exchange:
        """Send `call` once; what came of it is still to be recorded. `gone` is called when the request has left."""
        base = self._base if call.base is None else call.base
        target = f"{base}{call.path}" + (f"?{call.query}" if call.query else "")
        headers = httpx.Headers(_HEADERS)
        headers.update({name: value for name, value in call.headers.items() if value is not None})
        for name in [name for name, value in call.headers.items() if value is None]:
            del headers[name]
        content = call.body.encode() if call.body is not None else None
        if content is not None:
            headers.setdefault("Content-Type", "application/json")
        http = http or self._http
        request = httpx.Request(
            call.method,
            self._origin,
            headers=headers,
            content=content,
            extensions={"target": target.encode("latin-1", "replace"), "timeout": self._timeout},
        )
        if gone is not None:
            request.extensions["trace"] = _when_sent(gone)
        self.limits.check(call.driver)
        self._limiter.wait()
        number = self.recorder.number()
        if call.op == "new_order" and call.auth is not None:
            self.limits.check_order(call.body or "{}")
            within = {} if self.clock.samples else {"within": UNKNOWN_CLOCK_S}
            at = time.time() + self.clock.offset
            self.journal.placing(number, call.auth.account, call.body or "{}", at, case=call.case, **within)
        sent_at, start = time.time(), time.monotonic()
        response, error = self._transfer(http, request, call.signer, call.limit_s)
        end = time.monotonic()
        if response is not None:
            if not away():  # an answer that had to wait for other tasks tells nothing of the target
                self._took.append(end - start)
                self._answered.append(end - start)
            if _proves_the_clock(call.auth, response):
                self.clock.accept()
            self.clock.observe_date(response.header("date"), sent_at, sent_at + (end - start))
        return Exchange(
            n=number,
            case=call.case,
            driver=call.driver,
            op=call.op,
            start=start,
            end=end,
            sent_at=sent_at,
            request=self._masked_request(request, call.body),
            auth=call.auth,
            response=self._masked_response(response) if response is not None else None,
            error=self.redactor.text(error) if error is not None else None,
            aim=call.aim,
            race=call.race,
            takes=call.takes,
            expect=call.expect,
            signed=self._masked_signed(request),
        )

    def record(self, exchange: Exchange) -> Exchange:
        """Put down what `transfer` brought, in the journal and in the record."""
        self._keep_journal(exchange)
        self.recorder.exchange(exchange)
        return exchange

    def _keep_journal(self, exchange: Exchange) -> None:
        response = exchange.response
        if response is None:
            if exchange.op == "new_order" and (exchange.error or "").startswith(_NEVER_SENT):
                self.journal.placed(exchange.n, None)
            return
        found = try_parse(response) if exchange.op in _TELLING else None
        body: dict[str, object] = found if isinstance(found, dict) else {}
        order_id = body.get("id")
        if exchange.op == "new_order":
            if (400 <= response.status < 500 and not is_infrastructure(response)) or response.status == 429:
                self.journal.placed(exchange.n, None)
            elif response.status < 300 and isinstance(order_id, str):
                self.journal.placed(exchange.n, order_id)
        if response.status == 200 and isinstance(order_id, str) and body.get("status") in _ENDED:
            self.journal.ended(order_id, seen=exchange.op == "query_order")

    def _transfer(
        self, http: Transport, request: httpx.Request, signer: httpx.Auth | None, limit_s: float | None
    ) -> tuple[Response | None, str | None]:
        limit = min(self.settings.timeout_s * 1.5, limit_s or math.inf)
        start_deadline(min(limit, stop.HURRIED_S) if stop.requested() else limit)
        response: httpx.Response | None = None
        try:
            if signer is not None:
                request = next(signer.auth_flow(request))
            response = http.handle_request(request)
            body, truncated = read_body(response)
            text, base64 = text_of(body)
            kept = _pairs(response.headers)[:_MAX_HEADERS]
            return Response(response.status_code, kept, text, base64, truncated), None
        except (httpx.ConnectTimeout, httpx.PoolTimeout) as failure:
            return None, f"{type(failure).__name__}: no connection within {self.settings.timeout_s:g} s"
        except httpx.TimeoutException:
            return None, f"no answer within {min(self.settings.timeout_s, limit):g} s"
        except httpx.DecodingError as failure:
            return None, f"the body cannot be decoded: {failure}"
        except httpx.HTTPError as failure:
            return None, f"{type(failure).__name__}: {failure}"[:200]
        finally:
            if response is not None:
                response.close()
            end_deadline()

    def _masked_request(self, request: httpx.Request, body: str | None) -> Request:
        mask = self.redactor
        target = bytes(request.extensions["target"]).decode("latin-1")
        headers = [(key, mask.header(key, value)) for key, value in _pairs(request.headers)]
        return Request(request.method, mask.text(target), headers, mask.text(body) if body is not None else None)

    def _masked_signed(self, request: httpx.Request) -> str | None:
        signed = request.extensions.get("signed")
        return self.redactor.text(bytes(signed).decode("utf-8", "replace")) if signed is not None else None

    def _masked_response(self, response: Response) -> Response:
        mask = self.redactor
        # masked before it is cut: of half a secret nobody would know that it is one
        response.headers = [
            (mask.text(key)[:_MAX_HEADER], mask.header(key, value)[:_MAX_HEADER]) for key, value in response.headers
        ]
        response.body = mask.text(response.body)
        if response.body_base64 is not None:
            raw = base64.b64decode(response.body_base64).decode("latin-1")
            response.body_base64 = base64.b64encode(mask.text(raw).encode("latin-1")).decode()
        if response.truncated:
            response.body = response.body[:_CUT_BODY]
            response.body_base64 = response.body_base64 and response.body_base64[:_CUT_BODY]
        return response


def _pairs(headers: httpx.Headers) -> list[tuple[str, str]]:
    """All headers, names in lower case: `multi_items`, which finds out about the encoding for each anew."""
    encoding = headers.encoding
    return [(key.decode(encoding).lower(), value.decode(encoding)) for key, value in headers.raw]


def _proves_the_clock(auth: Auth | None, response: Response) -> bool:
    """Whether an answer shows that a rightly signed request came in time."""
    signed = auth is not None and auth.scheme == "api_key" and auth.flaw is None and auth.how is None
    return signed and response.status < 500 and response.status not in (401, 429)


def _when_sent(gone: Callable[[], object]) -> Callable[[str, object], None]:
    """A trace for httpcore that tells when the last byte of a request has been handed to the system.

    Not on a fresh connection: something between us and the target may still be opening its own.
    """
    fresh = False

    def trace(event: str, info: object) -> None:
        nonlocal fresh
        fresh = fresh or event == "connection.connect_tcp.started"
        if event == "http11.send_request_body.complete" and not fresh:
            gone()

    return trace


def at_once(pool: ThreadPoolExecutor, tasks: Sequence[Callable[[], T]]) -> list[T]:
    """What the tasks return, carried out by the pool, once all have ended; raises what the first one raises.

    A signal does not leave requests under way behind: what they do is to be known before anything is cleaned up.
    """
    with stop.postponed():
        futures = [pool.submit(task) for task in tasks]
    return _results(futures)


def _results(futures: Sequence[Future[T]]) -> list[T]:
    with stop.postponed():
        while wait(futures, _LOOK_S).not_done and not stop.is_overdue():
            pass
    return [future.result() for future in futures]


def again(call: Call, **changes: object) -> Call:
    """The same call with some parts changed."""
    return replace(call, **changes)  # type: ignore[arg-type]
