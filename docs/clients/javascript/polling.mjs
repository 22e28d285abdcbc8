// Polling: asks again and again, and goes on from the last id that it has.
// `url` is that of a channel, such as https://example.org/channels/news. Returns what ends it.

export function subscribe(url, onEvent, { after = 0, interval = 1_000 } = {}) {
  const stopped = new AbortController();
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  const loop = async () => {
    let last = after;
    let failures = 0;
    while (!stopped.signal.aborted) {
      try {
        // A connection that has gone silent ends, too.
        const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(10_000)]);
        const response = await fetch(`${url}/poll?after=${last}`, { signal });
        if (!response.ok) throw new Error(`the server answered ${response.status}`);
        const { events } = response.status === 204 ? { events: [] } : await response.json();
        for (const { id, event, data } of events) {
          if (!event) onEvent(id, data);
          last = id;
        }
        failures = 0;
        await sleep(interval);
      } catch {
        // All clients lose a server at once: they must not come back at once.
        await sleep(Math.random() * Math.min(30_000, 1_000 * 2 ** failures++));
      }
    }
  };
  loop();
  return () => stopped.abort();
}
