"""What a request carries beyond the page: further query parameters, headers, cookies, a body.

No page says what is answered to these (General Info: a DELETE has no body; RFC 9110, section 9.3.5: a body of a
DELETE has no meaning, and some servers refuse it). So a server may ignore them or refuse the request as a bad one.
It may not answer as if the order were another, fall over, or act on them.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from conformance.record import Exchange

_QUERY = frozenset({400, 414, 422})
_NOT_UTF_8 = frozenset({404})  # some frameworks know no resource with such a query
_HEADERS = frozenset({400, 431})
_BOTH_CREDENTIALS = frozenset({400})  # what is answered to a JWT and an API key at once is left open
_OF_TWO = frozenset({400, 401, 403, 404, 409, 422})  # the same where both are good: any refusal
# a client that writes a gateway's own headers, or such as rename what it asks for, can be turned away
_NOT_YOURS_TO_SAY = frozenset({400, 403, 431})
_BODY = frozenset({400, 411, 413, 415, 417, 422})
_TIMESTAMP = re.compile(r"&timestamp=-?\d{1,19}(?:&|$)")
_DOCUMENTED_QUERY = ("timestamp", "signature")
_CREDENTIALS = ("authorization", "x-mbx-apikey")
_GATEWAYS = frozenset({"forwarded", "x-forwarded-for", "x-real-ip"})
_RENAMING = frozenset({"x-original-url", "x-rewrite-url"})
_EXPECTED_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "user-agent",
        *_CREDENTIALS,
    }
)


def also_right(exchange: Exchange) -> frozenset[int]:
    """The statuses that are right besides the ordinary ones because of what the request carries.

    A request with a spoiled credential is about that, and is held to the ordinary answers, unless it repeats a
    documented parameter or has another one, or has credentials of both kinds, a body or a header that only
    gateways write: which of two flaws is judged first is left open.
    """
    request, found = exchange.request, frozenset[int]()
    headers = {name.lower() for name, _ in request.headers}
    if headers.issuperset(_CREDENTIALS):
        found |= _OF_TWO if exchange.auth is not None and exchange.auth.either else _BOTH_CREDENTIALS
    elif len(request.headers) > len(headers):  # a credential that stands twice is no credential to some
        found |= _HEADERS
    query = request.target.partition("?")[2]
    names = [pair.partition("=")[0] for pair in query.split("&") if pair] if query else []
    if request.body is not None:
        found |= _BODY
    if not _EXPECTED_HEADERS.issuperset(headers):
        found |= _HEADERS if _RENAMING.isdisjoint(headers) else _NOT_YOURS_TO_SAY
    if exchange.auth is not None and exchange.auth.flaw is not None:
        # a parameter that stands twice, or that nobody knows, can be refused before anybody looks at the signature
        beyond = any(name not in _DOCUMENTED_QUERY or names.count(name) > 1 for name in names)
        if not _GATEWAYS.isdisjoint(headers):
            found |= _NOT_YOURS_TO_SAY
        if exchange.auth.flaw == "cancel.key.timestamp.not-a-number" and not _TIMESTAMP.search(f"&{query}"):
            found |= _QUERY  # no page says what a timestamp gets that is no number
        return found | _of_query(query) if beyond else found
    signed = exchange.auth is not None and exchange.auth.scheme == "api_key"
    if sorted(names) != (sorted(_DOCUMENTED_QUERY) if signed else []):
        found |= _of_query(query)
    return found


def _of_query(query: str) -> frozenset[int]:
    try:
        unquote_to_bytes(query).decode()
    except UnicodeDecodeError:
        return _QUERY | _NOT_UTF_8
    return _QUERY
