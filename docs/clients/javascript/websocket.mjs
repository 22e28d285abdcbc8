// WebSocket: comes back by hand, and goes on from the last id that it has.
// `url` is that of a channel, such as https://example.org/channels/news. Returns what ends it.

export function subscribe(url, onEvent, { after = 0 } = {}) {
  let last = after;
  let failures = 0;
  let socket;
  let timer;
  let stopped = false;

  const connect = () => {
    socket = new WebSocket(`${url.replace(/^http/, 'ws')}/ws?after=${last}`, 'pushbench.v1');
    socket.onopen = () => (failures = 0);
    socket.onmessage = ({ data }) => {
      // "id", or "id name", and a line feed before the payload.
      const end = data.indexOf('\n');
      const [id, name] = data.slice(0, end).split(' ');
      last = Number(id);
      if (!name) onEvent(last, data.slice(end + 1));
    };
    socket.onerror = () => {}; // `close` follows.
    socket.onclose = () => {
      if (stopped) return;
      // All clients lose a server at once: they must not come back at once.
      timer = setTimeout(connect, Math.random() * Math.min(30_000, 1_000 * 2 ** failures++));
    };
  };
  connect();
  return () => {
    stopped = true;
    clearTimeout(timer);
    socket.close();
  };
}
