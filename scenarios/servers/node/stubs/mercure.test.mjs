// EventSource against the stub of a Mercure hub, before 1.0 and since.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { EventSource } from 'eventsource';
import { inbox, receivesAll, start } from './support.mjs';

const PATH = '/.well-known/mercure';

for (const { parameter, options } of [
    { parameter: 'topic', options: ['--0'] },
    { parameter: 'match', options: [] },
]) {
    test(`Mercure receives by ?${parameter}=`, async (t) => {
        const server = await start(t, 'mercure.mjs', ...options);
        const source = new EventSource(`${server.url}${PATH}?${parameter}=channel-0`);
        t.after(() => source.close());
        const received = inbox();
        source.onmessage = ({ data }) => received.push(data);
        await once(source, 'open');
        await receivesAll(server, 'channel-0', received);
    });
}

test('Mercure publishes a form, and sends what was missed', async (t) => {
    const server = await start(t, 'mercure.mjs');
    const publish = (data, headers) => {
        const body = new URLSearchParams({ topic: 'channel-0', data });
        return fetch(server.url + PATH, { method: 'POST', headers, body });
    };
    assert.equal((await publish('nobody', {})).status, 401);
    const seen = await (await publish('seen', { Authorization: 'Bearer any' })).text();
    assert.match(seen, /^urn:uuid:/);
    await publish('missed & more', { Authorization: 'Bearer any' });
    const source = new EventSource(`${server.url}${PATH}?match=channel-0&last_event_id=${seen}`);
    t.after(() => source.close());
    const received = inbox();
    source.onmessage = ({ data }) => received.push(data);
    assert.deepEqual(await received.take(1), ['missed & more']);
});
