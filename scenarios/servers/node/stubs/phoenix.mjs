// Stands in for Phoenix channels at /socket, with the topics events:CHANNEL and the event "event".
// It speaks what the official client accepts over its two transports (phoenix.test.mjs).
// Usage: node phoenix.mjs PORT
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { WebSocketServer } from 'ws';

const sessions = new Map(); // token -> session

// A message is [join reference, reference, topic, event, payload].
function receive(session, text) {
    const [join, reference, topic, event] = JSON.parse(text);
    if (event === 'phx_join') (session.topics ??= new Set()).add(topic);
    if (event === 'phx_leave') session.topics?.delete(topic);
    session.send(JSON.stringify([join, reference, topic, 'phx_reply', { status: 'ok', response: {} }]));
}

// Long polling: each answer is 200, and its status is in the body. 410 begins a session.
function poll(response, token) {
    const answer = (to, status, messages, of) => {
        to.setHeader('Content-Type', 'application/json');
        to.end(JSON.stringify({ messages, status, token: of }));
    };
    const session = sessions.get(token);
    if (!session) {
        const created = { waiting: [], send: (text) => created.waiting.push(text) };
        token = randomUUID();
        sessions.set(token, created);
        return answer(response, 410, [], token);
    }
    const finish = () => {
        clearTimeout(session.expiry);
        session.send = (text) => session.waiting.push(text);
        answer(response, session.waiting.length ? 200 : 204, session.waiting.splice(0), token);
    };
    if (session.waiting.length) return finish();
    session.expiry = setTimeout(finish, 10_000);
    session.send = (text) => {
        session.waiting.push(text);
        finish();
    };
}

const server = http.createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://localhost');
    let body = '';
    for await (const part of request.setEncoding('utf8')) body += part;
    const [, route, channel] = pathname.split('/');
    if (request.method === 'POST' && route === 'publish') {
        const topic = `events:${channel}`;
        const event = JSON.stringify([null, null, topic, 'event', { data: body }]);
        for (const session of sessions.values()) if (session.topics?.has(topic)) session.send(event);
        return response.writeHead(204).end();
    }
    if (pathname !== '/socket/longpoll') return response.writeHead(404).end();
    const token = request.headers['x-phoenix-longpoll-token'] ?? searchParams.get('token');
    if (request.method === 'GET') return poll(response, token);
    const session = sessions.get(token);
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ status: session ? 200 : 410 }));
    if (session) for (const line of body.split('\n')) receive(session, line);
});

new WebSocketServer({ server, path: '/socket/websocket' }).on('connection', (socket) => {
    const session = { send: (text) => socket.send(text) };
    const token = randomUUID();
    sessions.set(token, session);
    socket.on('message', (text) => receive(session, String(text)));
    socket.on('close', () => sessions.delete(token));
});

server.listen(Number(process.argv[2]), '127.0.0.1');
