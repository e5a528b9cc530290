"""Request targets that go out byte by byte as they were set, through a proxy as well."""

from __future__ import annotations

import httpx


class _RawURL(httpx.URL):
    """A URL whose path and query are bytes that nobody may tidy up."""

    def __init__(self, url: httpx.URL, target: bytes) -> None:
        super().__init__(url)
        self._target = target

    @property
    def raw_path(self) -> bytes:
        """The request target."""
        return self._target


class _RawTarget(httpx.BaseTransport):
    """Takes the extension `target` off a request and puts it into its URL.

    httpcore would use the extension for the CONNECT to a proxy too, and in place of the absolute form.
    """

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        extensions = dict(request.extensions)
        target = extensions.pop("target", None)
        sent = httpx.Request(
            request.method, request.url, headers=request.headers, stream=request.stream, extensions=extensions
        )
        if target is not None:
            sent.url = _RawURL(request.url, bytes(target))
        return self._inner.handle_request(sent)

    def close(self) -> None:
        self._inner.close()


def keep_targets(client: httpx.Client) -> httpx.Client:
    """Make all transports of `client`, proxies included, send targets as they are."""
    client._transport = _RawTarget(client._transport)
    client._mounts = {
        pattern: transport if transport is None else _RawTarget(transport)
        for pattern, transport in client._mounts.items()
    }
    return client
