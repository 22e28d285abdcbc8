// A browser's own EventSource and WebSocket, on a page of the server's own origin, and what a page of
// another origin may do.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { launchChromium } from './chromium.mjs';
import { Inbox, checkResume, openWebSocket, publish, startServer } from './support.mjs';

let server;
let browser;
before(async () => {
  server = await startServer();
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Opens a page of `url` that hands what it receives to `inbox`. */
async function openPage(url, inbox) {
  const page = await browser.newPage();
  await page.exposeFunction('deliver', (id, event, data) => inbox.push(id, event, data));
  await page.goto(`${url}/healthz`);
  return page;
}

/** In the page: an EventSource that delivers the events of these names. */
function eventSource(path, names) {
  return new Promise((resolve) => {
    const source = new EventSource(path);
    for (const name of names) {
      source.addEventListener(name, (e) => window.deliver(e.lastEventId, e.type, e.data));
    }
    source.onopen = resolve;
  });
}

/** In the page: a WebSocket that comes back with the last id it has seen. */
function webSocket(path) {
  let last = 0;
  const connect = (onOpen) => {
    const url = `${location.origin.replace('http', 'ws')}${path}?after=${last}`;
    const socket = new WebSocket(url, 'pushbench.v1');
    window.socket = socket;
    socket.onopen = onOpen;
    socket.onmessage = ({ data }) => {
      const end = data.indexOf('\n');
      const [id, event = 'message'] = data.slice(0, end).split(' ');
      last = Number(id);
      window.deliver(id, event, data.slice(end + 1));
    };
    socket.onclose = () => setTimeout(connect, 50);
  };
  return new Promise((resolve) => connect(resolve));
}

describe('EventSource in Chromium', { timeout: 60_000 }, () => {
  test('receives what WebSocket and HTTP published', async () => {
    const inbox = new Inbox();
    const page = await openPage(server.url, inbox);
    // playwright passes one argument.
    await page.evaluate(`(${eventSource})('/channels/es/sse?after=0', ['message', 'price'])`);
    const publisher = await openWebSocket(server.url, 'es');
    publisher.send('two\nlines €');
    await inbox.until(1);
    await publish(server.url, 'es', 'up', { query: '?event=price' });
    await inbox.until(2);
    publisher.close();
    await page.close();
    assert.deepEqual(inbox.events, [
      { id: 1, event: 'message', data: 'two\nlines €' },
      { id: 2, event: 'price', data: 'up' },
    ]);
  });

  test('loses nothing when it is cut', () =>
    checkResume(server, 'es-cut', async (url, channel, inbox) => {
      const page = await openPage(url, inbox);
      await page.evaluate(`(${eventSource})('/channels/${channel}/sse?after=0', ['message'])`);
      return () => page.close();
    }));
});

describe('WebSocket in Chromium', { timeout: 60_000 }, () => {
  test('receives what another published, and publishes', async () => {
    const inbox = new Inbox();
    const page = await openPage(server.url, inbox);
    await page.evaluate(`(${webSocket})('/channels/ws/ws')`);
    await publish(server.url, 'ws', 'down');
    await inbox.until(1);
    assert.equal(await page.evaluate('socket.protocol'), 'pushbench.v1');
    await page.evaluate(`socket.send('up')`);
    await inbox.until(2);
    await page.close();
    assert.deepEqual(inbox.events, [
      { id: 1, event: 'message', data: 'down' },
      { id: 2, event: 'message', data: 'up' },
    ]);
  });

  test('loses nothing when it is cut', () =>
    checkResume(server, 'ws-cut', async (url, channel, inbox) => {
      const page = await openPage(url, inbox);
      await page.evaluate(`(${webSocket})('/channels/${channel}/ws')`);
      return () => page.close();
    }));
});

/** In the page: whether each way to use a server at `url` from here works. */
async function everyWay(url) {
  const channel = `${url}/channels/foreign`;
  const answered = (request) => request.then((response) => response.ok, () => false);
  const firstOf = (target, ...names) =>
    new Promise((resolve) => {
      for (const name of names) target.addEventListener(name, () => resolve(name));
    });
  const post = { method: 'POST', body: 'from elsewhere' };
  const ways = {
    publish: await answered(fetch(`${channel}/events`, post)),
    preflight: await answered(
      fetch(`${channel}/events`, { ...post, headers: { 'content-type': 'application/octet-stream' } }),
    ),
    poll: await answered(fetch(`${channel}/poll?after=0`)),
    'long poll': await answered(fetch(`${channel}/long-poll?after=0&timeout_ms=100`)),
    health: await answered(fetch(`${url}/healthz`)),
    metrics: await answered(fetch(`${url}/metrics`)),
  };
  const source = new EventSource(`${channel}/sse?after=0`);
  ways.sse = (await firstOf(source, 'open', 'error')) === 'open';
  source.close();
  const socket = new WebSocket(`${channel.replace('http', 'ws')}/ws`);
  ways.websocket = (await firstOf(socket, 'open', 'close')) === 'open';
  if (ways.websocket) {
    socket.send('from elsewhere');
    await firstOf(socket, 'message');
  }
  socket.close();
  return ways;
}

/** In the page: ways that need no permission to read, and so ask for none. Nobody sees whether they work. */
async function blindly(url) {
  const target = `${url}/channels/blind/events`;
  navigator.sendBeacon(target, 'beacon');
  await fetch(target, { method: 'POST', mode: 'no-cors', body: 'fetch' }).catch(() => {});
  const image = new Image();
  const ended = new Promise((resolve) => (image.onload = image.onerror = resolve));
  image.src = `${url}/channels/blind/poll`;
  await ended;
  const frame = Object.assign(document.createElement('iframe'), { name: 'sink' });
  document.body.append(frame);
  const form = Object.assign(document.createElement('form'), {
    method: 'post',
    enctype: 'text/plain',
    action: target,
    target: 'sink',
  });
  document.body.append(form);
  const loaded = new Promise((resolve) => (frame.onload = resolve));
  form.submit();
  await loaded;
}

describe('a page of another origin in Chromium', { timeout: 60_000 }, () => {
  let elsewhere;
  before(async () => (elsewhere = await startServer()));
  after(() => elsewhere?.stop());

  async function use(url) {
    const page = await openPage(elsewhere.url, new Inbox());
    const ways = await page.evaluate(`(${everyWay})('${url}')`);
    await page.evaluate(`(${blindly})('${url}')`);
    await page.close();
    const metrics = await (await fetch(`${url}/metrics`)).text();
    const published = Number(/^pushbench_published_total (\d+)$/m.exec(metrics)[1]);
    return { working: Object.keys(ways).filter((way) => ways[way]), published };
  }

  test('can neither read nor publish, on any route', async () => {
    const target = await startServer();
    assert.deepEqual(await use(target.url), { working: [], published: 0 });
    await target.stop();
  });

  test('can do both when it is allowed', async () => {
    for (const allowed of [elsewhere.url, '*']) {
      const target = await startServer('--allow-origin', allowed);
      const { working, published } = await use(target.url);
      assert.deepEqual(working, [
        'publish',
        'preflight',
        'poll',
        'long poll',
        'health',
        'metrics',
        'sse',
        'websocket',
      ]);
      assert.equal(published, 6, 'three in every way, and three blindly');
      await target.stop();
    }
  });

  test('cannot get around it by a name of its own for the address', async () => {
    const target = await startServer();
    const rebound = await launchChromium('--host-resolver-rules=MAP evil.example 127.0.0.1');
    const page = await rebound.newPage();
    const response = await page.goto(`http://evil.example:${target.port}/healthz`);
    assert.equal(response.status(), 403);
    await rebound.close();
    await target.stop();
  });
});
