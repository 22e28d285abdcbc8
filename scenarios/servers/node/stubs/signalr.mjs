// Stands in for an ASP.NET Core SignalR hub at /hub, with the method Subscribe(channel) and the target
// "event". It speaks what the official client accepts over its three transports (signalr.test.mjs).
// Usage: node signalr.mjs PORT
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { WebSocketServer } from 'ws';

const END = '\x1e'; // of a message
const frame = (message) => JSON.stringify(message) + END;
const sessions = new Map(); // token -> session

// What a client sends is the same over each transport, and may be several messages.
function receive(session, text) {
    for (const part of text.split(END).filter(Boolean)) {
        const message = JSON.parse(part);
        if (message.protocol) session.send('{}' + END);
        else if (message.type === 1 && message.target === 'Subscribe') {
            (session.channels ??= new Set()).add(message.arguments[0]);
            session.send(frame({ type: 3, invocationId: message.invocationId, result: null }));
        }
    }
}

const routes = {
    'POST /hub/negotiate': (request, response) => {
        const token = randomUUID();
        // Until a transport sends it, what there is to send waits.
        const session = { waiting: '', send: (text) => (session.waiting += text) };
        sessions.set(token, session);
        const answer = {
            negotiateVersion: 1,
            connectionId: randomUUID(),
            connectionToken: token,
            availableTransports: [
                { transport: 'WebSockets', transferFormats: ['Text', 'Binary'] },
                { transport: 'ServerSentEvents', transferFormats: ['Text'] },
                { transport: 'LongPolling', transferFormats: ['Text', 'Binary'] },
            ],
        };
        response.setHeader('Content-Type', 'application/json');
        response.end(JSON.stringify(answer));
    },
    'POST /hub': (request, response, session, body) => {
        receive(session, body);
        response.end();
    },
    'DELETE /hub': (request, response, session) => {
        session.poll?.writeHead(204).end();
        sessions.delete(session.token);
        response.writeHead(202).end();
    },
    'GET /hub': (request, response, session) => {
        if (request.headers.accept?.includes('text/event-stream')) {
            const headers = { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache,no-store' };
            response.writeHead(200, headers);
            response.write(':\r\n\r\n');
            session.pings = true;
            session.send = (text) => response.write(`data: ${text}\r\n\r\n`);
            response.on('close', () => sessions.delete(session.token));
            return;
        }
        // Long polling. The first answer is empty: it says that the session is there.
        session.poll?.writeHead(204).end();
        session.poll = undefined;
        response.setHeader('Content-Type', 'text/plain');
        if (!session.polled || session.waiting) {
            session.polled = true;
            response.end(session.waiting);
            session.waiting = '';
            return;
        }
        session.poll = response;
        const expiry = setTimeout(() => session.send(''), 90_000);
        response.on('close', () => {
            clearTimeout(expiry);
            if (session.poll === response) session.poll = undefined;
        });
        session.send = (text) => {
            session.waiting += text;
            if (!session.poll) return;
            session.poll.end(session.waiting);
            session.poll = undefined;
            session.waiting = '';
        };
    },
};

const server = http.createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://localhost');
    let body = '';
    for await (const part of request.setEncoding('utf8')) body += part;
    const [, route, channel] = pathname.split('/');
    if (request.method === 'POST' && route === 'publish') {
        const event = frame({ type: 1, target: 'event', arguments: [body] });
        for (const session of sessions.values()) if (session.channels?.has(channel)) session.send(event);
        return response.writeHead(204).end();
    }
    const answer = routes[`${request.method} ${pathname}`];
    const token = searchParams.get('id');
    const session = sessions.get(token);
    if (!answer || (pathname === '/hub' && !session)) return response.writeHead(404).end();
    if (session) session.token = token;
    answer(request, response, session, body);
});

new WebSocketServer({ server, path: '/hub' }).on('connection', (socket, request) => {
    const token = new URL(request.url, 'http://localhost').searchParams.get('id') ?? randomUUID();
    const session = sessions.get(token) ?? {};
    sessions.set(token, session);
    session.pings = true;
    session.send = (text) => socket.send(text);
    socket.on('message', (text) => receive(session, String(text)));
    socket.on('close', () => sessions.delete(token));
});

// The pings of the protocol, at its default. A long poll needs none.
setInterval(() => {
    for (const session of sessions.values()) if (session.pings) session.send(frame({ type: 6 }));
}, 15_000);

server.listen(Number(process.argv[2]), '127.0.0.1');
