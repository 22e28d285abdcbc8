// The official Centrifugo client, and two that need no library of Centrifugo, against the stub.
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Centrifuge } from 'centrifuge';
import { EventSource } from 'eventsource';
import WebSocket from 'ws';
import { inbox, receivesAll, start } from './support.mjs';

const CONNECT = JSON.stringify({ subs: { 'channel-0': {} } });

test('Centrifugo receives by its WebSocket', async (t) => {
    const server = await start(t, 'centrifugo.mjs');
    const client = new Centrifuge(`${server.ws}/connection/websocket`, { websocket: WebSocket });
    t.after(() => client.disconnect());
    const subscription = client.newSubscription('channel-0');
    const received = inbox();
    subscription.on('publication', ({ data }) => received.push(data));
    const subscribed = new Promise((resolve) => subscription.on('subscribed', resolve));
    subscription.subscribe();
    client.connect();
    await subscribed;
    await receivesAll(server, 'channel-0', received);
});

test('Centrifugo recovers what it missed when its connection broke', async (t) => {
    const server = await start(t, 'centrifugo.mjs', '--cut', '300');
    const client = new Centrifuge(`${server.ws}/connection/websocket`, {
        websocket: WebSocket,
        minReconnectDelay: 50,
        maxReconnectDelay: 100,
    });
    t.after(() => client.disconnect());
    const subscription = client.newSubscription('channel-0');
    const received = inbox();
    const subscribed = inbox();
    subscription.on('publication', ({ data }) => received.push(data));
    subscription.on('subscribed', (context) => subscribed.push(context));
    subscription.subscribe();
    client.connect();
    const [first] = await subscribed.take(1);
    assert.equal(first.wasRecovering, false);
    const sent = [];
    // A connection is cut after a second or more.
    const end = Date.now() + 2000;
    while (Date.now() < end) {
        sent.push(String(sent.length));
        await server.publish('channel-0', sent.at(-1));
        await sleep(10);
    }
    assert.deepEqual(await received.take(sent.length), sent);
    const [again] = await subscribed.take(1);
    assert.deepEqual([again.wasRecovering, again.recovered], [true, true]);
});

test('Centrifugo receives by Server-Sent Events', async (t) => {
    const server = await start(t, 'centrifugo.mjs');
    const source = new EventSource(`${server.url}/connection/uni_sse?cf_connect=${encodeURIComponent(CONNECT)}`);
    t.after(() => source.close());
    const received = inbox();
    const connected = inbox();
    source.onmessage = ({ data }) => {
        const { connect, pub } = JSON.parse(data);
        if (connect) connected.push(connect);
        if (pub) received.push(pub.data);
    };
    await connected.take(1);
    await receivesAll(server, 'channel-0', received);
});

test('Centrifugo receives by an HTTP stream', async (t) => {
    const server = await start(t, 'centrifugo.mjs');
    const abort = new AbortController();
    t.after(() => abort.abort());
    const url = `${server.url}/connection/uni_http_stream`;
    const answer = await fetch(url, { method: 'POST', body: CONNECT, signal: abort.signal });
    assert.equal(answer.status, 200);
    const received = inbox();
    const connected = inbox();
    (async () => {
        let rest = '';
        for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
            const lines = (rest + part).split('\n');
            rest = lines.pop();
            for (const { connect, pub } of lines.map((line) => JSON.parse(line))) {
                if (connect) connected.push(connect);
                if (pub) received.push(pub.data);
            }
        }
    })().catch((error) => assert.equal(error.name, 'AbortError'));
    await connected.take(1);
    await receivesAll(server, 'channel-0', received);
});

test('Centrifugo says in a 200 that it refuses an event', async (t) => {
    const server = await start(t, 'centrifugo.mjs');
    const publish = async (body) => (await fetch(`${server.url}/api/publish`, { method: 'POST', body })).text();
    assert.match(await publish('{"channel":"channel-0","data":"x"}'), /"result"/);
    assert.match(await publish('{"data":"x"}'), /"error"/);
});
