// A WebSocket server with `ws`: the channel is in the address, a message is the payload.
// Usage: node ws.mjs PORT
import http from 'node:http';
import { WebSocketServer } from 'ws';

const channels = new Map(); // name -> Set of sockets

const server = http.createServer(async (request, response) => {
    const [, route, channel] = request.url.split('/');
    if (request.method !== 'POST' || route !== 'publish') return response.writeHead(404).end();
    let payload = '';
    for await (const part of request.setEncoding('utf8')) payload += part;
    for (const socket of channels.get(channel) ?? []) socket.send(payload);
    response.writeHead(204).end();
});

const sockets = new WebSocketServer({ server });
sockets.on('connection', (socket, request) => {
    for (const channel of request.url.split('/')[2].split(',')) { // /channels/NAME,NAME
        if (!channels.has(channel)) channels.set(channel, new Set());
        channels.get(channel).add(socket);
        socket.on('close', () => channels.get(channel).delete(socket));
    }
    socket.on('error', console.error);
    socket.isAlive = true;
    socket.on('pong', () => (socket.isAlive = true));
});

// As the documentation of `ws` does it: who has not answered a ping by the next one is gone.
setInterval(() => {
    for (const socket of sockets.clients) {
        if (!socket.isAlive) socket.terminate();
        socket.isAlive = false;
        socket.ping();
    }
}, 30_000);

server.listen(Number(process.argv[2]), '127.0.0.1');
