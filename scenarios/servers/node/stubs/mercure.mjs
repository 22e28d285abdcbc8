// Stands in for a Mercure hub with anonymous subscribers; any token may publish. A plain EventSource is
// its client (mercure.test.mjs).
// Usage: node mercure.mjs PORT [--0]    the protocol before 1.0, in which one subscribes by ?topic=
import { randomUUID } from 'node:crypto';
import http from 'node:http';

const parameter = process.argv.includes('--0') ? 'topic' : 'match';
const history = []; // { id, topic, text }, the last 1,000
const subscribers = new Set(); // { topics, response }

function publish(topic, data) {
    const id = `urn:uuid:${randomUUID()}`;
    const event = { topic, id, text: `id: ${id}\ndata: ${data.replaceAll(/\r\n|\r|\n/g, '\ndata: ')}\n\n` };
    history.push(event);
    if (history.length > 1000) history.shift();
    for (const { topics, response } of subscribers) if (topics.includes(topic)) response.write(event.text);
    return id;
}

function subscribe(request, response, query) {
    const topics = query.getAll(parameter);
    if (topics.length === 0) return response.writeHead(400).end(`Missing "${parameter}" parameter.\n`);
    response.writeHead(200, {
        'Content-Type': 'text/event-stream',
        'Cache-Control': 'private, no-cache, no-store, must-revalidate, max-age=0',
        'X-Accel-Buffering': 'no',
    });
    response.write(':\n');
    const last = request.headers['last-event-id'] ?? query.get('last_event_id');
    const begin = last ? history.findIndex((event) => event.id === last) + 1 : history.length;
    for (const event of history.slice(begin)) if (topics.includes(event.topic)) response.write(event.text);
    const subscriber = { topics, response };
    subscribers.add(subscriber);
    response.on('close', () => subscribers.delete(subscriber));
}

const server = http.createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://localhost');
    let body = '';
    for await (const part of request.setEncoding('utf8')) body += part;
    if (request.method === 'POST' && pathname.startsWith('/publish/')) {
        publish(pathname.split('/')[2], body);
        return response.writeHead(204).end();
    }
    if (pathname !== '/.well-known/mercure') return response.writeHead(404).end();
    if (request.method === 'GET') return subscribe(request, response, searchParams);
    if (!request.headers.authorization?.startsWith('Bearer ')) {
        return response.writeHead(401, { 'WWW-Authenticate': 'Bearer' }).end();
    }
    const form = new URLSearchParams(body);
    response.end(publish(form.get('topic'), form.get('data') ?? ''));
});

// A comment now and then, as the hub does it by default.
setInterval(() => {
    for (const { response } of subscribers) response.write(':\n');
}, 40_000);

server.listen(Number(process.argv[2]), '127.0.0.1');
