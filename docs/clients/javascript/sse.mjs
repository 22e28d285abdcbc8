// Server-Sent Events: an EventSource, and what it leaves to its user.
// `url` is that of a channel, such as https://example.org/channels/news. Returns what ends it.

export function subscribe(url, onEvent, { after = 0 } = {}) {
  let last = after;
  let failures = 0;
  let source;
  let timer;

  const connect = () => {
    source = new EventSource(`${url}/sse?after=${last}`);
    source.onopen = () => (failures = 0);
    source.onmessage = ({ lastEventId, data }) => {
      last = Number(lastEventId);
      onEvent(last, data);
    };
    source.onerror = () => {
      // By itself it would come back with everybody else, and not at all after an answer such as 503.
      source.close();
      timer = setTimeout(connect, Math.random() * Math.min(30_000, 1_000 * 2 ** failures++));
    };
  };
  connect();
  return () => {
    clearTimeout(timer);
    source.close();
  };
}
