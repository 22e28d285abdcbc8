// Stands in for Centrifugo 6 with insecure clients: the WebSocket at /connection/websocket, which its
// official client accepts (centrifugo.test.mjs), and the two streams that need no client of their own. Every
// channel has a history, from which the WebSocket recovers.
// Usage: node centrifugo.mjs PORT [--cut MILLISECONDS]    with connections that break, one in each of these times
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { parseArgs } from 'node:util';
import { WebSocketServer } from 'ws';
import { cutEvery } from '../cut.mjs';

const { values: flags, positionals } = parseArgs({ options: { cut: { type: 'string' } }, allowPositionals: true });

const PING = 25; // seconds
const HISTORY = 1000; // publications of a channel
const EPOCH = 'stub';
const subscriptions = new Set(); // { channel, push }
const histories = new Map(); // channel -> offset of its last publication, and the last ones
const hello = () => ({ client: randomUUID(), version: '6.9.1', ping: PING });

function history(channel) {
    if (!histories.has(channel)) histories.set(channel, { offset: 0, publications: [] });
    return histories.get(channel);
}

// What a subscriber missed that knew `offset`; nothing of a history that is no longer whole.
function recovery(channel, { recover, epoch, offset = 0 }) {
    if (!recover) return {};
    const { offset: last, publications } = history(channel);
    const recovered = epoch === EPOCH && offset <= last && last - offset <= publications.length;
    const missed = recovered ? publications.filter((publication) => publication.offset > offset) : [];
    return { was_recovering: true, recovered, publications: missed };
}

function publish(channel, data) {
    const kept = history(channel);
    const offset = ++kept.offset;
    const push = { channel, pub: { data, offset } };
    kept.publications.push(push.pub);
    if (kept.publications.length > HISTORY) kept.publications.shift();
    for (const subscription of subscriptions) if (subscription.channel === channel) subscription.push(push);
    return { offset, epoch: EPOCH };
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
                // Go leaves out an offset that is 0.
                const offset = history(wanted.channel).offset || undefined;
                const missed = recovery(wanted.channel, wanted);
                send({ id, subscribe: { recoverable: true, epoch: EPOCH, offset, positioned: true, ...missed } });
                subscribe(socket, wanted.channel, (push) => send({ push }));
            }
        }
    });
    const pings = setInterval(() => send({}), PING * 1000);
    socket.on('close', () => clearInterval(pings));
});

cutEvery(server, Number(flags.cut ?? 0));
server.listen(Number(positionals[0]), '127.0.0.1');
