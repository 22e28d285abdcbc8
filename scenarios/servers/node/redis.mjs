// Server-Sent Events from Redis: whoever publishes there needs to know nothing of this server.
// Usage: node redis.mjs PORT REDIS_URL
import http from 'node:http';
import { createClient } from '@redis/client';

const channels = new Map(); // name -> Set of open answers

const redis = createClient({ url: process.argv[3] });
redis.on('error', (error) => console.error(error.message)); // it connects again by itself
await redis.connect();
await redis.pSubscribe('*', (message, channel) => {
    const event = `data: ${message.replaceAll('\n', '\ndata: ')}\n\n`;
    for (const subscriber of channels.get(channel) ?? []) subscriber.write(event);
});

const server = http.createServer((request, response) => {
    const [, route, channel] = request.url.split('/');
    if (request.method !== 'GET' || route !== 'events') return response.writeHead(404).end();
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
    response.write(': hello\n\n'); // so that the head goes out at once
    if (!channels.has(channel)) channels.set(channel, new Set());
    channels.get(channel).add(response);
    response.on('close', () => channels.get(channel).delete(response));
});

server.listen(Number(process.argv[2]), '127.0.0.1');
