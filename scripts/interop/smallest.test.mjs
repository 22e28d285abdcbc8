// The smallest clients of docs/clients, in JavaScript (Node and Chromium), Python and Rust: each receives every event
// once and in order, although its connection is cut twice, and although the server is killed and starts again.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { EventSource } from 'eventsource';
import { WebSocket } from 'ws';

import { launchChromium } from './chromium.mjs';
import { checkRestart, checkResume, startServer } from './support.mjs';

const CLIENTS = path.resolve(import.meta.dirname, '../../docs/clients');
const TRANSPORTS = ['polling', 'long-polling', 'sse', 'websocket'];
const PYTHON = process.env.PYTHON ?? 'python3';
const { RUST_CLIENTS } = process.env;

// Node 20 has neither; browsers have both.
globalThis.EventSource ??= EventSource;
globalThis.WebSocket ??= WebSocket;

let server;
before(async () => (server = await startServer()));
after(() => server?.stop());

const channel = (url, name) => `${url}/channels/${name}`;

/** A client that is a program: it prints `id data` for each event. */
function subscribeBy(command, ...args) {
  return (url, name, inbox) => {
    const child = spawn(command, [...args, channel(url, name)], { stdio: ['ignore', 'pipe', 'inherit'] });
    const failed = once(child, 'error').then(([error]) => assert.fail(`${command}: ${error.message}`));
    failed.catch(() => {});
    readline.createInterface({ input: child.stdout }).on('line', (line) => {
      const [id, ...data] = line.split(' ');
      inbox.push(id, 'message', data.join(' '));
    });
    return async () => {
      const exited = once(child, 'exit');
      child.kill();
      await exited;
      // Node keeps a socket for ever that is reset before it has noticed that its peer is gone.
      await sleep(200);
    };
  };
}

/** The tests of one client: `subscribe` is as in `checkResume`. */
function testAll(transport, name, subscribe) {
  test(`${transport} loses nothing when it is cut`, () => checkResume(server, name, subscribe));
  test(`${transport} goes on when the server starts again, and leaves out what has a name`, () =>
    checkRestart(name, subscribe));
}

describe('the smallest client in JavaScript, in Node', { timeout: 120_000 }, () => {
  for (const transport of TRANSPORTS) {
    testAll(transport, `node-${transport}`, async (url, name, inbox) => {
      const { subscribe } = await import(path.join(CLIENTS, 'javascript', `${transport}.mjs`));
      return subscribe(channel(url, name), (id, data) => inbox.push(id, 'message', data));
    });
  }
});

describe('the same in Chromium', { timeout: 120_000 }, () => {
  let browser;
  before(async () => (browser = await launchChromium()));
  after(() => browser?.close());

  for (const transport of TRANSPORTS) {
    testAll(transport, `chromium-${transport}`, async (url, name, inbox) => {
      const page = await browser.newPage();
      await page.exposeFunction('deliver', (id, data) => inbox.push(id, 'message', data));
      await page.goto(`${url}/healthz`);
      const source = readFileSync(path.join(CLIENTS, 'javascript', `${transport}.mjs`), 'utf8');
      const module = `data:text/javascript,${encodeURIComponent(source)}`;
      await page.evaluate(
        async ([from, to]) => (await import(from)).subscribe(to, (id, data) => window.deliver(id, data)),
        [module, channel('', name)].map((text) => text.replace(/^\//, `${url}/`)),
      );
      return () => page.close();
    });
  }
});

describe('the smallest client in Python', { timeout: 120_000 }, () => {
  for (const transport of TRANSPORTS) {
    const file = path.join(CLIENTS, 'python', `${transport.replace('-', '_')}.py`);
    testAll(transport, `python-${transport}`, subscribeBy(PYTHON, file));
  }
});

describe('the smallest client in Rust', { timeout: 120_000 }, () => {
  for (const transport of TRANSPORTS) {
    testAll(transport, `rust-${transport}`, (url, name, inbox) => {
      assert.ok(RUST_CLIENTS, 'RUST_CLIENTS is the folder of the programs: scripts/interop/run builds them');
      const program = path.join(RUST_CLIENTS, transport.replace('-', '_'));
      return subscribeBy(program)(url, name, inbox);
    });
  }
});

test('their lines are those that docs/clients/README.md says', () => {
  const script = path.resolve(import.meta.dirname, '../clients');
  execFileSync(script, ['--check'], { stdio: 'inherit' });
});
