// Cuts connections as a network does: nobody is told, and what is on its way is lost.

const SETTLED = 1000; // milliseconds: until then it is still being opened, perhaps

// Ends the WebSocket that has been open for longest, every so many milliseconds; never, when there is no number.
export function cutEvery(server, milliseconds) {
    if (!milliseconds) return;
    const since = new Map(); // in the order in which they came
    server.on('upgrade', (_, socket) => {
        since.set(socket, performance.now());
        socket.on('close', () => since.delete(socket));
    });
    setInterval(() => {
        const [oldest, opened] = since.entries().next().value ?? [];
        if (performance.now() - opened > SETTLED) oldest.destroy();
    }, milliseconds).unref();
}
