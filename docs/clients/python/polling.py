"""Polling: asks again and again, and goes on from the last id that it has."""

import json
import random
import sys
import time
from http.client import HTTPException
from urllib.request import urlopen


def subscribe(url, on_event, after=0, interval=1.0):
    """`url` is that of a channel, such as https://example.org/channels/news. Never returns."""
    last, failures = after, 0
    while True:
        try:
            # A connection that has gone silent ends, too.
            with urlopen(f"{url}/poll?after={last}", timeout=10) as response:
                events = json.load(response)["events"] if response.status == 200 else []
            for event in events:
                if "event" not in event:
                    on_event(event["id"], event["data"])
                last = event["id"]
            failures = 0
            time.sleep(interval)
        except (OSError, HTTPException, ValueError):
            # All clients lose a server at once: they must not come back at once.
            time.sleep(random.uniform(0, min(30, 2**failures)))
            failures += 1


if __name__ == "__main__":
    subscribe(sys.argv[1], lambda id, data: print(id, data, flush=True))
