// How many event streams one page opens by HTTP/1.1 and by HTTP/2: what `pushbench folklore` calls six-connections.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { launchChromium } from './chromium.mjs';
import { startServer } from './support.mjs';

const STREAMS = 7;

/** In the page: opens that many, and says how many are open after a while. */
async function opened([count, wait]) {
  const sources = Array.from({ length: count }, (_, n) => new EventSource(`/channels/c${n}/sse`));
  await new Promise((resolve) => setTimeout(resolve, wait));
  const open = sources.filter((source) => source.readyState === EventSource.OPEN).length;
  // The next one has room as soon as another has gone.
  sources[0].close();
  await new Promise((resolve) => setTimeout(resolve, wait));
  const later = sources.filter((source) => source.readyState === EventSource.OPEN).length;
  return { open, later };
}

async function inPage(url, wait) {
  const browser = await launchChromium('--ignore-certificate-errors');
  const page = await browser.newPage();
  await page.goto(`${url}/healthz`);
  const found = await page.evaluate(`(${opened})([${STREAMS}, ${wait}])`);
  await browser.close();
  return found;
}

test('of seven event streams, six open by HTTP/1.1, and the seventh when one has gone', { timeout: 60_000 }, async () => {
  const server = await startServer();
  const found = await inPage(server.url, 3_000);
  console.log(`HTTP/1.1: ${found.open} of ${STREAMS} are open`);
  assert.deepEqual(found, { open: 6, later: 6 });
  await server.stop();
});

test('by HTTP/2, all of them open', { timeout: 60_000 }, async () => {
  const server = await startServer('--tls', '127.0.0.1:0');
  const found = await inPage(new URL(server.tls).origin, 3_000);
  console.log(`HTTP/2: ${found.open} of ${STREAMS} are open`);
  assert.deepEqual(found, { open: STREAMS, later: STREAMS - 1 });
  await server.stop();
});
