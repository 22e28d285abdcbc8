// A browser's own EventSource and WebSocket, on a page of the server's own origin.

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
