// The official client of Phoenix channels against the stub.
import test from 'node:test';
import { LongPoll, Socket } from 'phoenix';
import WebSocket from 'ws';
import { inbox, receivesAll, start } from './support.mjs';

for (const [name, transport] of Object.entries({ WebSocket, LongPoll })) {
    test(`Phoenix receives by ${name}`, async (t) => {
        const server = await start(t, 'phoenix.mjs');
        const socket = new Socket(`${server.ws}/socket`, { transport, heartbeatIntervalMs: 500 });
        t.after(() => new Promise((resolve) => socket.disconnect(resolve)));
        socket.connect();
        const channel = socket.channel('events:channel-0');
        const received = inbox();
        channel.on('event', ({ data }) => received.push(data));
        await new Promise((resolve, reject) => {
            channel.join().receive('ok', resolve).receive('error', reject).receive('timeout', reject);
        });
        await receivesAll(server, 'channel-0', received);
    });
}
