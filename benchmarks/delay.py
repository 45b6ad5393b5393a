"""A TCP proxy that delays every byte: a network between a function and its database.

    python -m benchmarks.delay PORT MILLISECONDS

It listens on a free port of 127.0.0.1, prints it, and exits when its standard input is closed. The
delay applies to each direction, so a round trip takes twice as long.
"""

import asyncio
import contextlib
import os
import sys
from functools import partial

from benchmarks import SERVER_CORE


async def forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float
) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionResetError):  # a client that is stopped
        while data := await reader.read(65_536):
            loop.call_later(seconds, writer.write, data)
    loop.call_later(seconds, writer.close)


async def accept(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, port: int, seconds: float
) -> None:
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.gather(forward(reader, far_writer, seconds), forward(far_reader, writer, seconds))


async def main(port: int, milliseconds: float) -> None:
    os.sched_setaffinity(0, {SERVER_CORE})
    handler = partial(accept, port=port, seconds=milliseconds / 1000)
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
