// Server-Sent Events with nothing but Node: chunked answers, as everybody writes them.
// Usage: node sse.mjs PORT
import http from 'node:http';

const channels = new Map(); // name -> Set of open answers
let lastId = 0;

const server = http.createServer(async (request, response) => {
    const [, route, channel] = request.url.split('/');
    if (request.method === 'GET' && route === 'events') {
        response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
        response.write(': hello\n\n'); // so that the head goes out at once
        for (const name of channel.split(',')) {
            if (!channels.has(name)) channels.set(name, new Set());
            channels.get(name).add(response);
            response.on('close', () => channels.get(name).delete(response));
        }
        return;
    }
    if (request.method !== 'POST' || route !== 'publish') return response.writeHead(404).end();
    let payload = '';
    for await (const part of request.setEncoding('utf8')) payload += part;
    const event = `id: ${++lastId}\ndata: ${payload.replaceAll('\n', '\ndata: ')}\n\n`;
    for (const subscriber of channels.get(channel) ?? []) subscriber.write(event);
    response.writeHead(204).end();
});

// So that proxies do not close a silent stream.
setInterval(() => {
    for (const subscribers of channels.values()) {
        for (const subscriber of subscribers) subscriber.write(': still here\n\n');
    }
}, 25_000);

server.listen(Number(process.argv[2]), '127.0.0.1');
