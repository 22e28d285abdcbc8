// Cuts connections as a network does: nobody is told, and what is on its way is lost.

const SETTLED = 1000; // milliseconds: until then it is still being opened, perhaps

// Ends the WebSocket, or the connection for a session's long polls, that has been open for longest, every so many
// milliseconds; never, when there is no number.
export function cutEvery(server, milliseconds) {
    if (!milliseconds) return;
    const since = new Map(); // in the order in which they came
    const opened = (socket) => {
        if (since.has(socket)) return;
        since.set(socket, performance.now());
        socket.on('close', () => since.delete(socket));
    };
    server.on('upgrade', (_, socket) => opened(socket));
    const polls = new WeakMap(); // a client may begin a session over another connection than it polls over
    server.on('request', ({ method, url, socket }) => {
        if (method !== 'GET' || !url.includes('transport=polling&sid=')) return;
        polls.set(socket, (polls.get(socket) ?? 0) + 1);
        if (polls.get(socket) > 2) opened(socket);
    });
    setInterval(() => {
        const [oldest, at] = since.entries().next().value ?? [];
        if (performance.now() - at > SETTLED) oldest.destroy();
    }, milliseconds).unref();
}
