"""A way to a server that takes time, as to one in another region."""

import asyncio
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

_PIECE = 65536


@contextmanager
def far_away(port: int, round_trip: float, set_up: float = 0.0) -> Iterator[int]:
    """Listen on a port of 127.0.0.1 from which ``port`` is ``round_trip`` seconds away.

    A connection is taken by the system at once, so its first bytes wait for its round trip as well,
    and for ``set_up`` seconds more: what a busy host takes to begin with a connection.
    """
    loop = asyncio.new_event_loop()
    way = _Way(port, round_trip, set_up)
    server = loop.run_until_complete(asyncio.start_server(way.take, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, name="far-away")
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        asyncio.run_coroutine_threadsafe(way.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class _Way:
    def __init__(self, port: int, round_trip: float, set_up: float) -> None:
        self._port = port
        self._set_up = set_up
        self._round_trip = round_trip
        self._ends: list[StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Carry what comes on a connection, and what is answered."""
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._ends += [writer, far_writer]
        half = self._round_trip / 2
        with suppress(OSError):
            await asyncio.gather(
                _carry(reader, far_writer, half, extra=self._round_trip + self._set_up),
                _carry(far_reader, writer, half),
            )

    async def close(self) -> None:
        """End all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for end in self._ends:
            end.close()
        await asyncio.gather(*(end.wait_closed() for end in self._ends), return_exceptions=True)


async def _carry(
    source: StreamReader, target: StreamWriter, delay: float, extra: float = 0.0
) -> None:
    """Write what is read, each piece ``delay`` seconds later, the first ``extra`` more."""
    loop = asyncio.get_running_loop()
    not_before = loop.time() + extra
    while data := await source.read(_PIECE):
        loop.call_at(max(loop.time(), not_before) + delay, partial(target.write, data))
    loop.call_later(delay, target.close)
