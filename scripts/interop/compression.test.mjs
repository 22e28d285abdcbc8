// Compression as other people's clients ask for it: curl, Node's http and fetch, `eventsource`, `ws` and Chromium.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import zlib from 'node:zlib';

import { EventSource } from 'eventsource';
import { WebSocket } from 'ws';

import { launchChromium } from './chromium.mjs';
import { Inbox, openWebSocket, parseMessage, publish, startServer } from './support.mjs';

/** Text that becomes much smaller. */
const LARGE = '{"symbol":"ABC","price":12.5,"note":"two words €"},'.repeat(40);

let server;
before(async () => (server = await startServer('--compression')));
after(() => server?.stop());

const at = (channel, resource) => `${server.url}/channels/${channel}/${resource}`;

describe('curl --compressed', { timeout: 30_000 }, () => {
  /** What curl prints: the body, the bytes that it took, and the coding. */
  function curl(...args) {
    const format = '\n%{size_download} %header{content-encoding}';
    return new Promise((resolve) => {
      execFile('curl', ['--silent', '--max-time', '10', '--write-out', format, ...args], (error, stdout) => {
        const end = stdout.lastIndexOf('\n');
        const [bytes, coding] = stdout.slice(end + 1).split(' ');
        resolve({ code: error?.code ?? 0, body: stdout.slice(0, end), bytes: Number(bytes), coding });
      });
    });
  }

  test('polls the same in fewer bytes', async () => {
    await publish(server.url, 'curl', LARGE);
    await publish(server.url, 'curl', 'small');
    for (const resource of ['poll', 'long-poll']) {
      const plain = await curl(at('curl', resource));
      const small = await curl('--compressed', at('curl', resource));
      assert.deepEqual([plain.code, small.code], [0, 0]);
      assert.equal(small.body, plain.body);
      assert.equal(JSON.parse(small.body).events[0].data, LARGE);
      assert.ok(small.bytes < plain.bytes / 4, `${small.bytes} of ${plain.bytes} bytes`);
    }
  });

  test('prints each event as it comes, and ends well when the server stops', async () => {
    for (const framing of ['close', 'chunked']) {
      const own = await startServer('--compression', '--sse-framing', framing);
      const url = `${own.url}/channels/a/sse`;
      const child = spawn('curl', ['--silent', '--no-buffer', '--compressed', '--max-time', '20', url]);
      let printed = '';
      child.stdout.setEncoding('utf8').on('data', (part) => (printed += part));
      const until = async (text) => {
        while (!printed.endsWith(text)) await sleep(10);
      };
      await until('retry: 1000\n\n');
      for (const data of ['first', LARGE]) {
        const { id } = await publish(own.url, 'a', data);
        await until(`id: ${id}\ndata: ${data}\n\n`);
      }
      const exited = once(child, 'exit');
      await own.stop();
      assert.equal((await exited)[0], 0, framing);
    }
  });
});

describe("Node's http and zlib", { timeout: 30_000 }, () => {
  test('a stream is whole when the server stops: its checksum and length are right', async () => {
    const own = await startServer('--compression');
    const request = http.get(`${own.url}/channels/a/sse`, { headers: { 'accept-encoding': 'gzip' } });
    const [response] = await once(request, 'response');
    assert.equal(response.headers['content-encoding'], 'gzip');
    assert.equal(response.headers.vary, 'Accept-Encoding');
    const content = response.pipe(zlib.createGunzip()).setEncoding('utf8');
    let text = '';
    content.on('data', (part) => (text += part));
    await publish(own.url, 'a', LARGE);
    while (!text.endsWith(`id: 1\ndata: ${LARGE}\n\n`)) await sleep(10);
    const ended = once(content, 'end');
    await own.stop();
    await ended;
  });
});

describe('fetch and the package eventsource', { timeout: 30_000 }, () => {
  test('take gzip, and each event when it is flushed', async () => {
    const inbox = new Inbox();
    let coding;
    const source = new EventSource(at('es', 'sse?after=0'), {
      fetch: async (url, init) => {
        const response = await fetch(url, init);
        coding = response.headers.get('content-encoding');
        return response;
      },
    });
    source.addEventListener('message', (e) => inbox.push(e.lastEventId, e.type, e.data));
    await once(source, 'open');
    assert.equal(coding, 'gzip');
    for (const [index, data] of ['one', LARGE, 'three'].entries()) {
      await publish(server.url, 'es', data);
      await inbox.until(index + 1);
      assert.equal(inbox.events[index].data, data);
    }
    source.close();
    const poll = await fetch(at('es', 'poll?after=1'));
    assert.equal(poll.headers.get('content-encoding'), 'gzip');
    assert.deepEqual(
      (await poll.json()).events.map(({ data }) => data),
      [LARGE, 'three'],
    );
  });
});

describe('the package ws', { timeout: 30_000 }, () => {
  test('receives and sends compressed messages, whole and in fragments', async () => {
    const one = await openWebSocket(server.url, 'ws');
    const other = await openWebSocket(server.url, 'ws');
    assert.equal(one.extensions, 'permessage-deflate');
    const received = [];
    other.on('message', (data, binary) => received.push({ binary, ...parseMessage(data) }));
    const bytes = Buffer.alloc(20_000, 7);
    one.send(LARGE);
    one.send(bytes);
    one.send('small');
    one.send(LARGE.slice(0, 1500), { fin: false });
    one.send(LARGE.slice(1500), { fin: true });
    while (received.length < 4) await sleep(10);
    assert.deepEqual(
      received.map(({ binary, payload }) => [binary, payload.length]),
      [
        [false, Buffer.byteLength(LARGE)],
        [true, bytes.length],
        [false, 5],
        [false, Buffer.byteLength(LARGE)],
      ],
    );
    assert.equal(received[0].payload.toString(), LARGE);
    assert.deepEqual(received[1].payload, bytes);
    assert.equal(received[3].payload.toString(), LARGE);
    const socket = other._socket;
    assert.ok(socket.bytesRead < 5_000, `${socket.bytesRead} bytes for ${bytes.length + 2 * LARGE.length}`);
    one.close();
    other.close();
  });

  test('is served without where its window is too small, or it offers nothing', async () => {
    for (const perMessageDeflate of [false, { serverMaxWindowBits: 10 }]) {
      const socket = await openWebSocket(server.url, 'plain', '', [], { perMessageDeflate });
      assert.equal(socket.extensions, '');
      const arrived = once(socket, 'message');
      await publish(server.url, 'plain', LARGE);
      assert.equal(parseMessage((await arrived)[0]).payload.toString(), LARGE);
      socket.close();
    }
  });

  test('is closed when what it sends becomes too large', async () => {
    const socket = await openWebSocket(server.url, 'bomb');
    socket.send(Buffer.alloc(50 << 20));
    const [code] = await once(socket, 'close');
    assert.equal(code, 1009);
  });
});

describe('Chromium', { timeout: 60_000 }, () => {
  let browser;
  before(async () => (browser = await launchChromium()));
  after(() => browser?.close());

  test('receives by EventSource and WebSocket, and publishes', async () => {
    const page = await browser.newPage();
    await page.goto(`${server.url}/healthz`);
    const streams = page.waitForResponse((response) => response.url().includes('/sse'));
    await page.evaluate(() => {
      window.received = [];
      const source = new EventSource('/channels/browser/sse?after=0');
      source.onmessage = ({ data }) => window.received.push(['sse', data]);
      const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/channels/browser/ws?after=0`);
      socket.onmessage = ({ data }) => window.received.push(['ws', data.slice(data.indexOf('\n') + 1)]);
      window.socket = socket;
      return new Promise((resolve) => (socket.onopen = resolve));
    });
    assert.equal((await streams).headers()['content-encoding'], 'gzip');
    assert.match(await page.evaluate('socket.extensions'), /^permessage-deflate;/);
    await publish(server.url, 'browser', LARGE);
    await page.waitForFunction('received.length == 2');
    await page.evaluate((text) => window.socket.send(text), LARGE);
    await page.waitForFunction('received.length == 4');
    const received = await page.evaluate('received');
    assert.deepEqual(received.map(([by]) => by).sort(), ['sse', 'sse', 'ws', 'ws']);
    assert.ok(received.every(([, data]) => data === LARGE));
    const polled = await page.evaluate(async () => {
      const response = await fetch('/channels/browser/poll?after=0');
      return { coding: response.headers.get('content-encoding'), body: await response.json() };
    });
    assert.equal(polled.coding, 'gzip');
    assert.equal(polled.body.events[1].data, LARGE);
    await page.close();
  });
});
