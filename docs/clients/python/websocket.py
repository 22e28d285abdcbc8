"""WebSocket: comes back by hand, and goes on from the last id that it has. Needs the package websockets."""

import asyncio
import random
import sys

import websockets


async def subscribe(url, on_event, after=0):
    """`url` is that of a channel, such as https://example.org/channels/news. Never returns."""
    last, failures = after, 0
    while True:
        try:
            address = f"{url.replace('http', 'ws', 1)}/ws?after={last}"
            # It pings the server, so that a connection that has gone silent ends, too.
            async with websockets.connect(address, subprotocols=["pushbench.v1"]) as socket:
                failures = 0
                async for message in socket:
                    # "id", or "id name", and a line feed before the payload.
                    head, _, data = message.partition("\n")
                    id, _, name = head.partition(" ")
                    if not name:
                        on_event(int(id), data)
                    last = int(id)
        except (OSError, EOFError, asyncio.TimeoutError, websockets.WebSocketException):
            pass
        # All clients lose a server at once: they must not come back at once.
        await asyncio.sleep(random.uniform(0, min(30, 2**failures)))
        failures += 1


if __name__ == "__main__":
    asyncio.run(subscribe(sys.argv[1], lambda id, data: print(id, data, flush=True)))
