"""Server-Sent Events: reads the stream, and goes on from the last id that it has."""

import random
import sys
import time
from http.client import HTTPException
from urllib.request import urlopen


def subscribe(url, on_event, after=0):
    """`url` is that of a channel, such as https://example.org/channels/news. Never returns."""
    last, failures = after, 0
    while True:
        try:
            # The server says every 15 s that it is there; a connection that has gone silent does not.
            with urlopen(f"{url}/sse?after={last}", timeout=45) as stream:
                failures, id, name, data = 0, last, "", []
                for line in stream:
                    field, _, value = line.decode().rstrip("\r\n").partition(":")
                    if field == "id":
                        id = int(value)
                    elif field == "event":
                        name = value
                    elif field == "data":
                        data.append(value.removeprefix(" "))
                    elif line.strip() == b"" and data:
                        if not name:
                            on_event(id, "\n".join(data))
                        last, name, data = id, "", []
        except (OSError, HTTPException, ValueError):
            pass
        # All clients lose a server at once: they must not come back at once.
        time.sleep(random.uniform(0, min(30, 2**failures)))
        failures += 1


if __name__ == "__main__":
    subscribe(sys.argv[1], lambda id, data: print(id, data, flush=True))
