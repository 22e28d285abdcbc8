// Other people's clients beside pushbench's: they subscribe to the same events and say how late these came.
// Usage: node witness.mjs http|websocket|socketio URL CHANNEL WARM_UP_MS
//
// Half of them subscribe at once, which they say by "ready", and half behind the first event, when
// pushbench has: a server writes to one subscriber after the other. When their standard input ends, they
// print how many events they measured, and the mean of their medians in nanoseconds.
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { io } from 'socket.io-client';
import { WebSocket } from 'ws';

const CLIENTS = 4;
// "pb", publisher, sequence, intended and actual time: crates/wire/src/stamp.rs.
const STAMP = /pb[0-9a-f]{4}([0-9a-f]{8})([0-9a-f]{16})[0-9a-f]{16}/;

const [kind, url, channel, warmUpMs] = process.argv.slice(2);
const warmUpNs = BigInt(warmUpMs) * 1_000_000n;
const clients = []; // the latencies of each, in nanoseconds
let begin; // when the first event was to be published
let others; // the promise that the other half has subscribed

const connect = {
    // An event stream. The head of the answer comes when the server has subscribed us.
    http: (receive) =>
        new Promise((resolve, reject) => {
            const headers = { Accept: 'text/event-stream' };
            const request = http.get(`${url}/subscribe/${channel}`, { headers }, (response) => {
                let rest = '';
                response.setEncoding('utf8').on('data', (piece) => {
                    const events = (rest + piece).split('\n\n');
                    rest = events.pop();
                    events.filter((event) => event.includes('data: ')).forEach(receive);
                });
                resolve();
            });
            request.on('error', reject);
        }),
    websocket: (receive) =>
        new Promise((resolve, reject) => {
            const socket = new WebSocket(`${url.replace('http', 'ws')}/subscribe/${channel}`);
            socket.on('open', resolve);
            socket.on('error', reject);
            socket.on('message', (data) => receive(data.toString()));
        }),
    socketio: (receive) =>
        new Promise((resolve, reject) => {
            const socket = io(url, { transports: ['websocket'], forceNew: true });
            socket.on('connect_error', reject);
            socket.on('event', receive);
            socket.on('connect', () => socket.emit('subscribe', channel, resolve));
        }),
}[kind];

function subscribe() {
    const latencies = [];
    clients.push(latencies);
    return connect((text) => {
        const now = process.hrtime.bigint(); // CLOCK_MONOTONIC, as pushbench's
        const [, , intended] = text.match(STAMP);
        const intendedNs = BigInt(`0x${intended}`);
        begin ??= intendedNs;
        others ??= subscribeHalf();
        if (intendedNs - begin >= warmUpNs) latencies.push(Number(now - intendedNs));
    });
}

const subscribeHalf = () => Promise.all(Array.from({ length: CLIENTS / 2 }, subscribe));

function median(values) {
    values.sort((a, b) => a - b);
    return values[Math.floor(values.length / 2)];
}

await subscribeHalf();
await sleep(100);
console.log('ready');
process.stdin.resume().on('end', async () => {
    await others;
    const medians = clients.map(median);
    const events = Math.min(...clients.map((latencies) => latencies.length));
    console.error(`${kind}: medians in ms: ${medians.map((ns) => (ns / 1e6).toFixed(2)).join(' ')}`);
    console.log(events, medians.reduce((sum, ns) => sum + ns, 0) / medians.length);
    process.exit();
});
