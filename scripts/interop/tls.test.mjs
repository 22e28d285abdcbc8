// The server by TLS, by HTTP/1.1 and HTTP/2: curl, OpenSSL, nghttp2's h2load, Node's https and http2, ws,
// eventsource and Chromium, which trust its certificate and nobody else. (h2load trusts anybody.)

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import http2 from 'node:http2';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { EventSource } from 'eventsource';
import { WebSocket } from 'ws';

import { launchChromium } from './chromium.mjs';
import { Inbox, publish, startServer } from './support.mjs';

let folder;
let certificate;
let ca;
let server;
let url; // by the name that the certificate has
before(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'pushbench-tls-'));
  certificate = path.join(folder, 'certificate.pem');
  server = await startServer('--tls', '127.0.0.1:0', '--tls-cert-out', certificate);
  ca = await readFile(certificate);
  url = `https://localhost:${new URL(server.tls).port}`;
});
after(async () => {
  await server?.stop();
  await rm(folder, { recursive: true });
});

/** Runs a program that gets no input; what it wrote, and its exit code. */
function run(program, ...args) {
  return new Promise((resolve) => {
    const child = execFile(program, args, { timeout: 15_000 }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    );
    child.stdin.end();
  });
}

const curl = (...args) =>
  run('curl', '--silent', '--max-time', '10', '--cacert', certificate, '--write-out', '\n%{http_version}', ...args);

describe('curl', { timeout: 60_000 }, () => {
  for (const [flag, version] of [['--http1.1', '1.1'], ['--http2', '2']]) {
    const channel = `curl-${version.replace('.', '')}`;
    test(`polls, long-polls, publishes and streams by HTTP/${version}`, async () => {
      const at = (resource) => `${url}/channels/${channel}/${resource}`;
      const poll = await curl(flag, at('poll'));
      assert.equal(poll.stdout, `\n${version}`, '204 has no body');
      const held = curl(flag, at('long-poll?after=0'));
      const published = await curl(flag, '--data', 'news', at('events'));
      assert.equal(published.stdout, `{"id":1,"count":1}\n${version}`);
      const body = '{"events":[{"id":1,"data":"news"}],"last_event_id":1}';
      assert.equal((await held).stdout, `${body}\n${version}`);
      const stream = await curl(flag, '--no-buffer', '--max-time', '1', at('sse?after=0'));
      assert.equal(stream.code, 28, 'it goes on');
      assert.equal(stream.stdout, `retry: 1000\n\nid: 1\ndata: news\n\n\n${version}`);
    });
  }

  test('trusts nobody else', async () => {
    const { code } = await run('curl', '--silent', `${url}/healthz`);
    assert.equal(code, 60, 'no certificate that the system trusts');
    const wrong = await run('curl', '--silent', '--cacert', certificate, '--resolve',
      `elsewhere.example:${new URL(url).port}:127.0.0.1`, url.replace('localhost', 'elsewhere.example'));
    assert.equal(wrong.code, 60, 'another name');
  });
});

test('OpenSSL agrees on TLS 1.3, one cipher suite and what is spoken', { timeout: 60_000 }, async () => {
  const connect = (...args) =>
    run('openssl', 's_client', '-connect', new URL(server.tls).host, '-CAfile', certificate, ...args);
  const { stdout } = await connect('-alpn', 'h2', '-verify_return_error');
  assert.match(stdout, /Cipher is TLS_AES_128_GCM_SHA256/);
  assert.match(stdout, /ALPN protocol: h2/);
  assert.match(stdout, /Verification: OK/);
  assert.match((await connect('-alpn', 'http/1.1')).stdout, /ALPN protocol: http\/1.1/);
  assert.notEqual((await connect('-alpn', 'h3')).code, 0, 'nothing that both speak');
  assert.notEqual((await connect('-tls1_2')).code, 0);
  assert.notEqual((await connect('-ciphersuites', 'TLS_AES_256_GCM_SHA384')).code, 0);
});

test('h2load publishes and polls by HTTP/2, many at a time on each connection', { timeout: 60_000 }, async () => {
  const at = (resource) => `${url}/channels/h2load/${resource}`;
  const event = path.join(folder, 'event');
  await writeFile(event, 'news');
  const load = async (requests, ...args) => {
    const { stdout } = await run('h2load', '-n', String(requests), '-c', '10', '-m', '20', ...args);
    assert.match(stdout, /TLS Protocol: TLSv1.3/);
    assert.match(stdout, /Application protocol: h2/);
    assert.match(stdout, new RegExp(`requests: ${requests} total, .* ${requests} succeeded, 0 failed`));
    assert.match(stdout, new RegExp(`status codes: ${requests} 2xx`));
    return Number(/\((\d+)\) data/.exec(stdout)[1]);
  };
  await load(500, '-d', event, at('events'));
  const poll = await curl('--http2', at('poll?after=0'));
  const { events, last_event_id: last } = JSON.parse(poll.stdout.slice(0, -2));
  assert.equal(last, 500, 'each has an id of its own');
  assert.ok(events.every(({ data }) => data === 'news'));
  const bytes = await load(400, at('poll?after=0'));
  assert.equal(bytes, 400 * (poll.stdout.length - 2), 'all get the same');
  assert.equal(await load(400, at('poll?after=500')), 0, '204 has no body');
});

describe('Node', { timeout: 60_000 }, () => {
  test('polls by https', async () => {
    const [answer] = await once(https.get(`${url}/healthz`, { ca }), 'response');
    assert.equal(answer.statusCode, 200);
    answer.resume();
  });

  test('has a hundred event streams on one connection, beside a WebSocket', async () => {
    const session = http2.connect(url, { ca });
    const [settings] = await once(session, 'remoteSettings');
    assert.ok(settings.enableConnectProtocol);
    const inbox = new Inbox();
    for (let n = 0; n < 100; n += 1) {
      const stream = session.request({ ':path': '/channels/node/sse' });
      stream.setEncoding('utf8');
      stream.on('data', (piece) => piece.includes('data: to all') && inbox.push(n));
      const [head] = await once(stream, 'response');
      assert.equal(head['content-type'], 'text/event-stream');
    }
    // RFC 8441 §5.1; the frame is masked with nothing.
    const socket = session.request({
      ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/channels/node/ws',
      'sec-websocket-version': '13', 'sec-websocket-protocol': 'pushbench.v1',
    });
    const [head] = await once(socket, 'response');
    assert.equal(head[':status'], 200);
    assert.equal(head['sec-websocket-protocol'], 'pushbench.v1');
    const text = Buffer.from('to all');
    socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), text]));
    const [frame] = await once(socket, 'data');
    assert.equal(frame.toString('latin1'), '\x81\x081\nto all');
    for (let n = 0; n < 100; n += 1) await inbox.until(n);
    assert.equal(inbox.ids.length, 100, 'once each');
    session.destroy();
  });

  test('has WebSockets by wss with ws', async () => {
    const socket = new WebSocket(`${url.replace('https', 'wss')}/channels/wss/ws`, 'pushbench.v1', { ca });
    await once(socket, 'open');
    await publish(server.url, 'wss', 'down');
    const [message] = await once(socket, 'message');
    assert.equal(message.toString(), '1\ndown');
    socket.close();
  });

  test('has an EventSource by https', async () => {
    const inbox = new Inbox();
    // fetch takes what Node trusts from a connection of ours.
    const fetchTrusting = (target, init) => new Promise((resolve, reject) => {
      const request = https.get(target, { ca, headers: init.headers }, (answer) =>
        resolve(new Response(ReadableStream.from(answer), { status: answer.statusCode, headers: answer.headers })));
      request.on('error', reject);
    });
    const source = new EventSource(`${url}/channels/es/sse?after=0`, { fetch: fetchTrusting });
    source.onmessage = (e) => inbox.push(e.lastEventId, e.type, e.data);
    await publish(server.url, 'es', 'news');
    await inbox.until(1);
    source.close();
  });
});

describe('Chromium', { timeout: 90_000 }, () => {
  let browser;
  before(async () => (browser = await launchChromium('--ignore-certificate-errors')));
  after(() => browser?.close());

  test('has more than six EventSources and a WebSocket on one connection of HTTP/2', async () => {
    const page = await browser.newPage();
    const inbox = new Inbox();
    await page.exposeFunction('deliver', (id, event, data) => inbox.push(id, event, data));
    const devtools = await page.context().newCDPSession(page);
    await devtools.send('Network.enable');
    const upgraded = once(devtools, 'Network.webSocketHandshakeResponseReceived');
    await page.goto(`${server.tls}/healthz`);
    const opened = await page.evaluate(async () => {
      const sources = Array.from({ length: 8 }, (_, n) => new EventSource(`/channels/page-${n}/sse`));
      await Promise.all(sources.map((source) => new Promise((resolve) => (source.onopen = resolve))));
      sources.forEach((source, n) => {
        source.onmessage = (e) => window.deliver(n, e.type, e.data);
      });
      window.sources = sources;
      const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/channels/page-9/ws`);
      socket.onmessage = (e) => window.deliver(9, 'message', e.data);
      window.socket = socket;
      await new Promise((resolve, reject) => {
        socket.onopen = resolve;
        socket.onerror = reject;
      });
      return performance.getEntriesByType('navigation')[0].nextHopProtocol;
    });
    assert.equal(opened, 'h2');
    const [{ response }] = await upgraded;
    assert.equal(response.status, 200, '101 would be that of HTTP/1.1');
    for (const n of [0, 1, 2, 3, 4, 5, 6, 7, 9]) {
      await publish(server.url, `page-${n}`, 'news');
      await inbox.until(n);
    }
    await page.close();
  });
});
