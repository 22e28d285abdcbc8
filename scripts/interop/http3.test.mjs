// The server by HTTP/3: Chromium's own EventSource, fetch and WebTransport, and curl where it has HTTP/3.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { launchChromiumWithQuic } from './chromium.mjs';
import { Inbox, publish, startServer } from './support.mjs';

let folder;
let certificate;
let server;
before(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'pushbench-http3-'));
  certificate = path.join(folder, 'certificate.pem');
  server = await startServer(
    '--tls', '127.0.0.1:0', '--http3', '--tls-cert-out', certificate, '--heartbeat', '500ms',
    '--allow-origin', '*', // a page by plain HTTP is of another origin
  );
  assert.equal(server.http3, server.tls, 'one port number for TCP and UDP');
});
after(async () => {
  await server?.stop();
  await rm(folder, { recursive: true });
});

/** The sum of what `/metrics` says under this name. */
async function metric(name) {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const values = [...text.matchAll(/^(\w+)(?:\{.*\})? (\d+)$/gm)].filter(([, of]) => of === name);
  assert.ok(values.length > 0, name);
  return values.reduce((sum, [, , value]) => sum + Number(value), 0);
}

/** Whether the server soon holds less for its clients once `end` has been done. */
async function freesMemory(end) {
  const before = await metric('pushbench_memory_bytes');
  await end();
  for (let look = 0; look < 100 && (await metric('pushbench_memory_bytes')) >= before; look += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.ok((await metric('pushbench_memory_bytes')) < before, 'what the stream held is free');
}

describe('Chromium', { timeout: 90_000 }, () => {
  let browser;
  before(async () => {
    // By QUIC it trusts nobody whom the user has only allowed, but for a key that is named like this.
    const key = new X509Certificate(await readFile(certificate)).publicKey;
    const hash = createHash('sha256').update(key.export({ type: 'spki', format: 'der' })).digest('base64');
    browser = await launchChromiumWithQuic(
      `--ignore-certificate-errors-spki-list=${hash}`,
      `--origin-to-force-quic-on=${new URL(server.tls).host}`,
    );
  });
  after(() => browser?.close());

  test('has more than six EventSources, polls and what it sends on one connection of HTTP/3', async () => {
    const page = await browser.newPage();
    const inbox = new Inbox();
    await page.exposeFunction('deliver', (id, event, data) => inbox.push(id, event, data));
    await page.goto(`${server.tls}/healthz`);
    const protocols = await page.evaluate(async () => {
      const sources = Array.from({ length: 8 }, (_, n) => new EventSource(`/channels/page-${n}/sse`));
      await Promise.all(sources.map((source) => new Promise((resolve) => (source.onopen = resolve))));
      sources.forEach((source, n) => {
        source.onmessage = (e) => window.deliver(n, e.type, e.data);
      });
      window.sources = sources;
      const held = fetch('/channels/page-8/long-poll?after=0');
      await fetch('/channels/page-8/events', { method: 'POST', body: 'sent' });
      const [event] = (await (await held).json()).events;
      window.deliver(8, 'message', event.data);
      return ['navigation', 'resource']
        .flatMap((kind) => performance.getEntriesByType(kind))
        .filter((entry) => !entry.name.endsWith('favicon.ico') && entry.responseStart > 0)
        .map((entry) => entry.nextHopProtocol);
    });
    assert.ok(protocols.length >= 2, `${protocols}`);
    assert.deepEqual(new Set(protocols), new Set(['h3']));
    await inbox.until(8);
    for (const n of [0, 1, 2, 3, 4, 5, 6, 7]) {
      await publish(server.url, `page-${n}`, `news of ${n}`);
      await inbox.until(n);
    }
    assert.equal(await metric('pushbench_connections'), 1, 'of all transports, by the one last used');
    await page.close();
  });

  test('resumes behind what it has, and is told when a stream ends', async () => {
    const page = await browser.newPage();
    const inbox = new Inbox();
    await page.exposeFunction('deliver', (id, event, data) => inbox.push(id, event, data));
    await page.goto(`${server.tls}/healthz`);
    for (const text of ['1', '2', '3']) await publish(server.url, 'resumed', text);
    await page.evaluate(() => {
      window.source = new EventSource('/channels/resumed/sse?after=1');
      window.source.onmessage = (e) => window.deliver(e.lastEventId, e.type, e.data);
    });
    await inbox.until(3);
    assert.deepEqual(inbox.ids, [2, 3]);
    // With the next heartbeat.
    await freesMemory(() => page.evaluate(() => window.source.close()));
    await page.close();
  });
});

describe('Chromium by WebTransport, a draft', { timeout: 90_000 }, () => {
  let browser;
  // No flag says whom to trust: the page itself does.
  before(async () => (browser = await launchChromiumWithQuic()));
  after(() => browser?.close());

  /** A page of the server's own by plain HTTP, and the hash of the server's certificate. */
  async function open() {
    const page = await browser.newPage();
    await page.goto(`${server.url}/healthz`);
    const { raw } = new X509Certificate(await readFile(certificate));
    const hash = [...createHash('sha256').update(raw).digest()];
    await page.evaluate(({ tls, hash }) => {
      window.session = async (path) => {
        const serverCertificateHashes = [{ algorithm: 'sha-256', value: new Uint8Array(hash) }];
        const transport = new WebTransport(`${tls}${path}`, { serverCertificateHashes });
        await transport.ready;
        return transport;
      };
    }, { tls: server.tls, hash });
    return page;
  }

  /** A session, of which the page receives the events. */
  const receive = (page, path) => page.evaluate(async (path) => {
    window.transport = await window.session(path);
    const streams = window.transport.incomingUnidirectionalStreams.getReader();
    const { value: stream } = await streams.read();
    window.received = '';
    (async () => {
      const text = stream.pipeThrough(new TextDecoderStream());
      for await (const piece of text) window.received += piece;
      window.received += 'END';
    })();
  }, path);

  test('has an event stream on one unidirectional stream of its session', async () => {
    const page = await open();
    await publish(server.url, 'wt', 'before');
    await receive(page, '/channels/wt/sse?after=0');
    await page.waitForFunction(() => window.received.includes('before'));
    for (const text of ['1', 'two\nlines', '3']) await publish(server.url, 'wt', text);
    await page.waitForFunction(() => window.received.includes('data: 3\n\n'));
    const events = 'retry: 1000\n\nid: 1\ndata: before\n\nid: 2\ndata: 1\n\n' +
      'id: 3\ndata: two\ndata: lines\n\nid: 4\ndata: 3\n\n';
    const received = await page.evaluate(() => window.received.replaceAll(/^:.*\n\n?/gm, ''));
    assert.equal(received, events, 'the bytes of an event stream, and heartbeats');
    await freesMemory(() => page.evaluate(() => window.transport.close()));
    await page.close();
  });

  test('is refused a stream of its own, and nothing else', async () => {
    const page = await open();
    await receive(page, '/channels/wt-own/sse');
    const refused = await page.evaluate(async () => {
      const { readable, writable } = await window.transport.createBidirectionalStream();
      const sent = new TextEncoder().encode('from the page');
      writable.getWriter().write(sent).catch(() => {});
      return readable.getReader().read().then(() => 'it was taken', String);
    });
    assert.match(refused, /WebTransportError/);
    await publish(server.url, 'wt-own', 'after');
    await page.waitForFunction(() => window.received.includes('data: after\n\n'));
    await page.close();
  });

  test('is told that there is nothing else', async () => {
    const page = await open();
    for (const path of ['/channels/wt/poll', '/channels/wt/ws', '/nothing']) {
      const opened = await page.evaluate((path) => window.session(path).then(() => 'open', String), path);
      assert.match(opened, /WebTransportError/, path);
    }
    await page.close();
  });
});

const curlVersion = execFileSync('curl', ['--version'], { encoding: 'utf8' });
const curlHasHttp3 = /^Features:.*\bHTTP3\b/m.test(curlVersion);

test('curl polls and streams by HTTP/3', {
  timeout: 60_000,
  skip: curlHasHttp3 ? false : `${curlVersion.split(' ', 2).join(' ')} has no HTTP/3`,
}, () => {
  const url = `https://localhost:${new URL(server.http3).port}`;
  const curl = (...args) => execFileSync(
    'curl', ['--silent', '--http3-only', '--cacert', certificate, '--write-out', '%{http_version}', ...args],
    { encoding: 'utf8' },
  );
  assert.equal(curl(`${url}/channels/curl/poll`), '3', '204 has no body');
  assert.equal(curl('--data', 'news', `${url}/channels/curl/events`), '{"id":1,"count":1}3');
  assert.equal(
    curl(`${url}/channels/curl/poll`),
    '{"events":[{"id":1,"data":"news"}],"last_event_id":1}3',
  );
});
