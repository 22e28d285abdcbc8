// What all tests share: a server, a line that can be cut, and a place where events arrive.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

import { WebSocket } from 'ws';

const READY = 'pushbench serve: listening on ';
const TLS = 'pushbench serve: TLS on ';
const HTTP3 = 'pushbench serve: HTTP/3 on ';
const PUSHBENCH =
  process.env.PUSHBENCH ?? path.resolve(import.meta.dirname, '../../target/release/pushbench');
const WAIT_MS = 15_000;

/** Starts `pushbench serve` on a free port. It ends with this process whatever happens here. */
export function startServer(...flags) {
  return startServerAt(0, ...flags);
}

/** The same at a port that is known. */
export async function startServerAt(port, ...flags) {
  const child = spawn(
    PUSHBENCH,
    ['serve', '--listen', `127.0.0.1:${port}`, '--stop-on-stdin-eof', ...flags],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const exited = new Promise((resolve, reject) => {
    child.once('exit', (code, signal) => resolve(signal ?? code));
    child.once('error', (error) => reject(new Error(`cannot start ${PUSHBENCH}: ${error.message}`)));
  });
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const ended = exited.then((code) => assert.fail(`the server ended with ${code} before it was ready`));
    return (await Promise.race([lines.next(), ended])).value;
  };
  let line = await next();
  let tls;
  if (line.startsWith(TLS)) {
    tls = line.slice(TLS.length);
    line = await next();
  }
  let http3;
  if (line.startsWith(HTTP3)) {
    http3 = line.slice(HTTP3.length);
    line = await next();
  }
  assert.ok(line.startsWith(READY), `not the line of a server that is ready: ${line}`);
  const url = new URL(line.slice(READY.length));
  return {
    url: url.origin,
    tls,
    http3,
    port: Number(url.port),
    async stop() {
      child.stdin.end();
      assert.equal(await exited, 0, 'the server stops without an error');
    },
    async kill() {
      child.kill('SIGKILL');
      assert.equal(await exited, 'SIGKILL');
    },
  };
}

/** A TCP relay to `port` whose connections can be cut, as a network does it. */
export async function startRelay(port) {
  const pairs = new Set();
  let accepted = 0;
  let tear = null;
  const relay = net.createServer((client) => {
    accepted += 1;
    const pair = { client, server: net.connect(port, '127.0.0.1') };
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      pair.client.destroy();
      pair.server.destroy();
    };
    for (const socket of [pair.client, pair.server]) {
      socket.setNoDelay(true);
      socket.on('error', end).on('close', end);
    }
    client.pipe(pair.server);
    pair.server.on('data', (chunk) => {
      if (!tear) return client.write(chunk);
      const done = tear;
      tear = null;
      client.write(chunk.subarray(0, Math.ceil(chunk.length / 2)), () => {
        end();
        done();
      });
    });
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  return {
    url: `http://127.0.0.1:${relay.address().port}`,
    accepted: () => accepted,
    /** Resets every connection; what is on its way is lost. */
    reset() {
      for (const { client, server } of pairs) {
        client.resetAndDestroy();
        server.resetAndDestroy();
      }
    },
    /** Passes on half of what the server sends next, then ends the connection. */
    tear: () => new Promise((resolve) => (tear = resolve)),
    async stop() {
      relay.close();
      this.reset();
    },
  };
}

/** Where the events of one subscriber arrive, each `{ id, event, data }`. */
export class Inbox {
  events = [];
  #changed = () => {};

  push(id, event, data) {
    this.events.push({ id: Number(id), event, data });
    this.#changed();
  }

  get ids() {
    return this.events.map(({ id }) => id);
  }

  /** Waits until the event `id` has arrived. */
  async until(id) {
    let timer;
    const late = new Promise((_, reject) => {
      const fail = () => reject(new Error(`no event ${id}; arrived: ${this.ids.join(' ')}`));
      timer = setTimeout(fail, WAIT_MS);
    });
    try {
      while (!this.ids.includes(id)) {
        await Promise.race([new Promise((resolve) => (this.#changed = resolve)), late]);
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Publishes over HTTP and returns the server's answer, such as `{ id: 7, count: 1 }`. */
export async function publish(url, channel, body, { query = '', type = 'text/plain' } = {}) {
  const response = await fetch(`${url}/channels/${channel}/events${query}`, {
    method: 'POST',
    headers: { 'content-type': type },
    body,
  });
  assert.equal(response.status, 200, await response.clone().text());
  return response.json();
}

/** Opens a WebSocket of the package `ws` and waits for the handshake. */
export async function openWebSocket(url, channel, query = '', protocols = [], options = {}) {
  const address = `${url.replace('http', 'ws')}/channels/${channel}/ws${query}`;
  const socket = new WebSocket(address, protocols, options);
  await once(socket, 'open');
  return socket;
}

/** Reads one message as `pushbench.v1` has it: `id[ event]`, a line feed, the payload. */
export function parseMessage(message) {
  const bytes = Buffer.from(message);
  const end = bytes.indexOf('\n');
  const [, id, event = 'message'] = /^(\d+)(?: (.+))?$/.exec(bytes.subarray(0, end).toString());
  return { id: Number(id), event, payload: bytes.subarray(end + 1) };
}

/**
 * Asks for raw TCP and hands every message, read as `parseMessage` does and with `binary`, to
 * `onMessage`. Resolves to the socket once the server has switched.
 */
export async function openTcp(url, channel, query, onMessage) {
  const { hostname, port, host } = new URL(url);
  const socket = net.connect(Number(port), hostname);
  socket.setNoDelay(true);
  socket.write(
    `GET /channels/${channel}/tcp${query} HTTP/1.1\r\nHost: ${host}\r\n` +
      'Connection: Upgrade\r\nUpgrade: pushbench-tcp\r\n\r\n',
  );
  let head = null;
  let unread = Buffer.alloc(0);
  await new Promise((resolve, reject) => {
    socket.on('error', reject).on('close', () => reject(new Error('closed before it switched')));
    socket.on('data', (chunk) => {
      unread = Buffer.concat([unread, chunk]);
      if (head === null) {
        const end = unread.indexOf('\r\n\r\n');
        if (end < 0) return;
        head = unread.subarray(0, end).toString();
        unread = unread.subarray(end + 4);
        if (head.startsWith('HTTP/1.1 101 ')) resolve();
        else reject(new Error(head));
      }
      // The highest bit of the length says whether the payload is binary.
      const length = () => unread.readUInt32BE() % 2 ** 31;
      while (unread.length >= 4 && unread.length >= 4 + length()) {
        const binary = unread[0] >= 0x80;
        const message = unread.subarray(4, 4 + length());
        unread = unread.subarray(4 + message.length);
        if (message.length === 0) socket.emit('heartbeat');
        else onMessage({ ...parseMessage(message), binary });
      }
    });
  });
  return socket;
}

/**
 * Cuts the line to a subscriber twice while another client publishes, and checks that the
 * subscriber has every event once and in order.
 *
 * `subscribe(url, channel, inbox)` subscribes from the first event on, comes back by itself
 * whenever its connection ends, and returns a function that ends it.
 */
export async function checkResume(server, channel, subscribe) {
  const EVENTS = 60;
  const relay = await startRelay(server.port);
  const publisher = await openWebSocket(server.url, channel);
  const inbox = new Inbox();
  const unsubscribe = await subscribe(relay.url, channel, inbox);
  try {
    let torn;
    for (let n = 1; n <= EVENTS; n += 1) {
      publisher.send(`event ${n}`);
      if (n === 10) await inbox.until(n);
      if (n === 15) torn = relay.tear();
      if (n === 20) await torn;
      // By now it has come back, and is cut in another way.
      if (n === 40) await inbox.until(n);
      if (n === 45) relay.reset();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await inbox.until(EVENTS);
    // What came twice would come before one event more.
    publisher.send('the last');
    await inbox.until(EVENTS + 1);
    assert.ok(relay.accepted() >= 3, 'it was cut twice and came back twice');
    const expected = Array.from({ length: EVENTS }, (_, n) => [n + 1, `event ${n + 1}`]);
    assert.deepEqual(
      inbox.events.map(({ id, data }) => [id, data]),
      [...expected, [EVENTS + 1, 'the last']],
    );
  } finally {
    await unsubscribe();
    publisher.close();
    await relay.stop();
  }
}

/**
 * Whether what `subscribe` starts has every event that has no name, once and in order, although the server is killed
 * and comes back at the same address with its log.
 */
export async function checkRestart(channel, subscribe) {
  const folder = mkdtempSync(path.join(tmpdir(), 'interop-log-'));
  let server = await startServer('--log-dir', folder);
  const { port, url } = server;
  const inbox = new Inbox();
  const unsubscribe = await subscribe(url, channel, inbox);
  const expected = [];
  const publishAll = async (from, to) => {
    for (let n = from; n <= to; n += 1) {
      const isNamed = n % 5 === 0;
      const { id } = await publish(url, channel, `event ${n}`, { query: isNamed ? '?event=note' : '' });
      if (!isNamed) expected.push([id, `event ${n}`]);
    }
    await inbox.until(expected.at(-1)[0]);
  };
  try {
    await publishAll(1, 12);
    await server.kill();
    // All have noticed, and some have found nobody.
    await sleep(500);
    server = await startServerAt(port, '--log-dir', folder);
    await publishAll(13, 24);
    assert.deepEqual(
      inbox.events.map(({ id, data }) => [id, data]),
      expected,
    );
  } finally {
    await unsubscribe();
    await server.stop();
    rmSync(folder, { recursive: true });
  }
}
