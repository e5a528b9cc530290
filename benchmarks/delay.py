"""A TCP proxy on loopback that makes a way longer: every byte takes half a round trip more in each direction."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


def _none() -> float:
    return 0.0


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float, more: Callable[[], float] = _none
) -> None:
    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    async def send() -> None:
        while True:
            at, data = await queue.get()
            await asyncio.sleep(max(0.0, at - loop.time()))
            if not data:
                writer.close()
                return
            writer.write(data)
            await writer.drain()

    sender = asyncio.create_task(send())
    try:
        while data := await reader.read(65536):
            queue.put_nowait((loop.time() + delay + more(), data))
    except OSError:
        pass
    queue.put_nowait((loop.time() + delay, b""))
    await asyncio.gather(sender, return_exceptions=True)


@contextmanager
def delayed(base_url: str, round_trip_s: float, more: Callable[[], float] = _none) -> Iterator[str]:
    """A base URL that leads to `base_url` with this round-trip time (s), connecting included.

    `more` is asked how much longer (s) the next request takes, so that one may overtake another.
    """
    parts = urlsplit(base_url)
    loop = asyncio.new_event_loop()
    ready, port = threading.Event(), [0]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await asyncio.sleep(round_trip_s)  # what SYN and SYN-ACK would take
        try:
            upstream = await asyncio.open_connection(parts.hostname, parts.port)
        except OSError:
            writer.close()
            return
        writers.append(upstream[1])
        half = round_trip_s / 2
        await asyncio.gather(_pump(reader, upstream[1], half, more), _pump(upstream[0], writer, half))

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port[0] = server.sockets[0].getsockname()[1]
        ready.set()
        await stopping.wait()
        server.close()
        for writer in writers:
            writer.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    writers: list[asyncio.StreamWriter] = []
    stopping = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield f"{parts.scheme}://127.0.0.1:{port[0]}{parts.path}"
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(10)
        loop.close()
