// Starts a server of this folder and publishes to it, as pushbench does.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

async function freePort() {
    const probe = net.createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address();
    probe.close();
    await once(probe, 'close');
    return port;
}

function takesConnections(port) {
    return new Promise((resolve) => {
        const socket = net.connect(port, '127.0.0.1');
        socket.on('connect', () => resolve(true) || socket.destroy());
        socket.on('error', () => resolve(false));
    });
}

// The server ends with the test.
export async function start(test, script, ...options) {
    const port = await freePort();
    const path = fileURLToPath(new URL(`./${script}`, import.meta.url));
    const stdio = ['ignore', 'inherit', 'inherit'];
    const child = spawn(process.execPath, [path, String(port), ...options], { stdio });
    test.after(() => child.kill());
    const end = Date.now() + 20_000;
    while (!(await takesConnections(port))) {
        assert.equal(child.exitCode, null, `${script} ended`);
        assert.ok(Date.now() < end, `${script} does not listen`);
        await sleep(20);
    }
    const url = `http://127.0.0.1:${port}`;
    return {
        url,
        ws: `ws://127.0.0.1:${port}`,
        async publish(channel, body) {
            const answer = await fetch(`${url}/publish/${channel}`, { method: 'POST', body });
            assert.ok(answer.ok, `publish: ${answer.status}`);
        },
    };
}

// What has come, and a way to wait for so many of them.
export function inbox() {
    const events = [];
    return {
        push: (event) => events.push(event),
        async take(count) {
            const end = Date.now() + 10_000;
            while (events.length < count) {
                assert.ok(Date.now() < end, `${events.length} of ${count} events came: ${JSON.stringify(events)}`);
                await sleep(10);
            }
            return events.splice(0);
        },
    };
}

// What is hard to carry in JSON, in an address, and in more than one byte for a character.
export const PAYLOADS = ['plain', '"quoted" \\ {"a":1} & + %41', 'é 漢 🎈', 'pb'.padEnd(4096, 'x')];

export async function receivesAll(server, channel, received) {
    for (const payload of PAYLOADS) await server.publish(channel, payload);
    await server.publish('another-channel', 'not for us');
    await server.publish(channel, 'last');
    assert.deepEqual(await received.take(PAYLOADS.length + 1), [...PAYLOADS, 'last']);
}
