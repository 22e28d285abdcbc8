// Socket.IO: a client asks for a channel by the event "subscribe", which makes it a member of that room.
// Usage: node socketio.mjs PORT [--host ADDRESS] [--redis URL] [--second PORT] [--recovery] [--cut MILLISECONDS]
//     sharing its events with others by Redis; with a second one, which
//     knows nothing of the sessions of the first, and gets its events as from a message broker; with connection state recovery, and with
//     connections that break, one in each of these times
import http from 'node:http';
import { parseArgs } from 'node:util';
import { createClient } from '@redis/client';
import { createAdapter } from '@socket.io/redis-adapter';
import { Server } from 'socket.io';
import { cutEvery } from './cut.mjs';

const { values: flags, positionals } = parseArgs({
    options: {
        recovery: { type: 'boolean' },
        cut: { type: 'string' },
        second: { type: 'string' },
        host: { type: 'string', default: '127.0.0.1' },
        redis: { type: 'string' },
    },
    allowPositionals: true,
});

const server = http.createServer(async (request, response) => {
    const [, route, channel] = request.url.split('/');
    if (request.method !== 'POST' || route !== 'publish') return response.writeHead(404).end();
    let payload = '';
    for await (const part of request.setEncoding('utf8')) payload += part;
    for (const io of all) io.to(channel).emit('event', payload);
    response.writeHead(204).end();
});

// Pings every 25 s, as it is the default. Socket.IO answers what begins with /socket.io/ itself.
const options = flags.recovery ? { connectionStateRecovery: { maxDisconnectionDuration: 120_000 } } : {};
if (flags.redis) {
    const publishes = createClient({ url: flags.redis });
    const subscribes = publishes.duplicate();
    for (const client of [publishes, subscribes]) {
        client.on('error', (error) => console.error(error.message)); // it connects again by itself
        await client.connect();
    }
    options.adapter = createAdapter(publishes, subscribes);
}
const all = [new Server(server, options)];
if (flags.second) all.push(new Server(http.createServer().listen(Number(flags.second), '127.0.0.1'), options));

for (const io of all) {
    io.on('connection', (socket) => {
        socket.on('subscribe', (channel, done) => {
            socket.join(channel);
            done('ok');
        });
    });
}

cutEvery(server, Number(flags.cut ?? 0));
server.listen(Number(positionals[0]), flags.host);
