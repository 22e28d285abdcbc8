// Stands in for Centrifugo 6 with insecure clients: the WebSocket at /connection/websocket, which its
// official client accepts (centrifugo.test.mjs), and the two streams that need no client of their own.
// Usage: node centrifugo.mjs PORT
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { WebSocketServer } from 'ws';

const PING = 25; // seconds
const subscriptions = new Set(); // { channel, push }
const offsets = new Map(); // channel -> offset of its last event
const hello = () => ({ client: randomUUID(), version: '6.9.1', ping: PING });

function publish(channel, data) {
    const offset = (offsets.get(channel) ?? 0) + 1;
    offsets.set(channel, offset);
    const push = { channel, pub: { data, offset } };
    for (const subscription of subscriptions) if (subscription.channel === channel) subscription.push(push);
    return { offset, epoch: 'stub' };
}

function subscribe(connection, channel, push) {
    const subscription = { channel, push };
    subscriptions.add(subscription);
    connection.on('close', () => subscriptions.delete(subscription));
}

// A stream that begins with what the server knows of the connection; then each push, and pings.
function stream(response, type, connect, write) {
    response.writeHead(200, { 'Content-Type': type, 'Cache-Control': 'no-cache' });
    const channels = Object.keys(connect.subs ?? {});
    const subs = Object.fromEntries(channels.map((channel) => [channel, {}]));
    write({ connect: { ...hello(), subs } });
    for (const channel of channels) subscribe(response, channel, write);
    const pings = setInterval(() => write({}), PING * 1000);
    response.on('close', () => clearInterval(pings));
}

const server = http.createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://localhost');
    let body = '';
    for await (const part of request.setEncoding('utf8')) body += part;
    if (request.method === 'POST' && pathname.startsWith('/publish/')) {
        publish(pathname.split('/')[2], body);
        return response.writeHead(204).end();
    }
    if (request.method === 'POST' && pathname === '/api/publish') {
        const { channel, data } = JSON.parse(body);
        const refusal = { error: { code: 107, message: 'bad request' } };
        const answer = channel ? { result: publish(channel, data) } : refusal;
        response.setHeader('Content-Type', 'application/json');
        return response.end(JSON.stringify(answer));
    }
    if (pathname === '/connection/uni_sse') {
        const connect = JSON.parse(searchParams.get('cf_connect') ?? (body || '{}'));
        const write = (push) => response.write(`data: ${JSON.stringify(push)}\n\n`);
        return stream(response, 'text/event-stream', connect, write);
    }
    if (request.method === 'POST' && pathname === '/connection/uni_http_stream') {
        const write = (push) => response.write(`${JSON.stringify(push)}\n`);
        return stream(response, 'application/json', JSON.parse(body || '{}'), write);
    }
    response.writeHead(404).end();
});

// Both sides may put several messages into a frame, a line for each.
new WebSocketServer({ server, path: '/connection/websocket' }).on('connection', (socket) => {
    const send = (message) => socket.send(JSON.stringify(message));
    socket.on('message', (frame) => {
        for (const line of String(frame).split('\n').filter(Boolean)) {
            const { id, connect, subscribe: wanted } = JSON.parse(line);
            if (connect) send({ id, connect: { ...hello(), pong: true } });
            if (wanted) {
                const offset = offsets.get(wanted.channel) ?? 0;
                send({ id, subscribe: { recoverable: true, epoch: 'stub', offset, positioned: true } });
                subscribe(socket, wanted.channel, (push) => send({ push }));
            }
        }
    });
    const pings = setInterval(() => send({}), PING * 1000);
    socket.on('close', () => clearInterval(pings));
});

server.listen(Number(process.argv[2]), '127.0.0.1');
