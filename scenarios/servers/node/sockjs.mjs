// SockJS at /sockjs: what a client sends is the name of the channel that it wants.
// Usage: node sockjs.mjs PORT
import http from 'node:http';
import sockjs from 'sockjs';

const channels = new Map(); // name -> Set of connections

const server = http.createServer(async (request, response) => {
    const [, route, channel] = request.url.split('/');
    if (route === 'sockjs') return; // SockJS answers it
    if (request.method !== 'POST' || route !== 'publish') return response.writeHead(404).end();
    let payload = '';
    for await (const part of request.setEncoding('utf8')) payload += part;
    for (const connection of channels.get(channel) ?? []) connection.write(payload);
    response.writeHead(204).end();
});

// Heartbeats every 25 s, as it is the default.
const sockets = sockjs.createServer({ log: () => {} });
sockets.on('connection', (connection) => {
    connection.on('data', (channel) => {
        if (!channels.has(channel)) channels.set(channel, new Set());
        channels.get(channel).add(connection);
        connection.on('close', () => channels.get(channel).delete(connection));
        connection.write('subscribed');
    });
});
sockets.installHandlers(server, { prefix: '/sockjs' });

server.listen(Number(process.argv[2]), '127.0.0.1');
