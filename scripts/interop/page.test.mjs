// The page of a report, opened as a file without a network. REPORT_HTML names it, or else it is that of
// the sample; SCREENSHOTS names a folder for pictures of it.

import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';

import { launchChromium } from './chromium.mjs';

const SAMPLE = path.resolve(import.meta.dirname, '../../results/sample/report.html');
const { REPORT_HTML = SAMPLE, SCREENSHOTS } = process.env;

/** What may stand in a page that needs nothing but itself. */
const OWN = /^(file|data|blob|about):/;

describe('report.html', { timeout: 60_000 }, () => {
  let browser;
  before(async () => (browser = await launchChromium()));
  after(() => browser?.close());

  /** Opens the page and returns it with all that it complained about or asked for. */
  async function open(options) {
    const context = await browser.newContext({ offline: true, ...options });
    const page = await context.newPage();
    const problems = [];
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) problems.push(message.text());
    });
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('request', (request) => {
      if (!OWN.test(request.url())) problems.push(`asks for ${request.url()}`);
    });
    await page.goto(pathToFileURL(path.resolve(REPORT_HTML)).href, { waitUntil: 'load' });
    return { context, page, problems };
  }

  for (const javaScriptEnabled of [true, false]) {
    for (const colorScheme of ['light', 'dark']) {
      const name = `${colorScheme}${javaScriptEnabled ? '' : '-no-script'}`;
      test(`shows verdict, table and charts (${name})`, async () => {
        const { context, page, problems } = await open({ javaScriptEnabled, colorScheme });
        assert.ok((await page.title()).length > 0, 'a title');
        const verdict = page.locator('.headline').first();
        assert.ok(await verdict.isVisible(), 'a verdict is visible');
        assert.match(await verdict.innerText(), /\w+ \w+/, 'and says something');
        const table = page.locator('table').first();
        assert.ok(await table.isVisible(), 'a table is visible');
        assert.ok((await table.locator('tr').count()) >= 2, 'and has rows');
        const charts = await page.locator('svg, img').evaluateAll((all) =>
          all
            .map((chart) => ({ tag: chart.tagName, box: chart.getBoundingClientRect(), chart }))
            .filter(({ box }) => box.width >= 200 && box.height >= 100)
            .map(({ tag, chart }) => tag !== 'IMG' || (chart.complete && chart.naturalWidth > 0)),
        );
        assert.ok(charts.length > 0, 'charts are visible');
        assert.ok(charts.every(Boolean), 'every picture is whole');
        if (SCREENSHOTS) {
          await page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`), fullPage: true });
        }
        await context.close();
        assert.deepEqual(problems, []);
      });
    }
  }

  test('fits a telephone', async () => {
    const { context, page } = await open({ viewport: { width: 390, height: 844 } });
    const [content, screen] = await page.evaluate(() => [
      document.documentElement.scrollWidth,
      document.documentElement.clientWidth,
    ]);
    if (SCREENSHOTS) {
      await page.screenshot({ path: path.join(SCREENSHOTS, 'narrow.png'), fullPage: true });
    }
    await context.close();
    assert.ok(content <= screen, `the page is ${content} wide on a screen of ${screen}`);
  });
});
