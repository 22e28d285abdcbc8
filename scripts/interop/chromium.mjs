// A headless Chromium of the system that talks to nobody but the page.

import { chromium } from 'playwright-core';

export const launchChromium = (...more) => launchChromiumWithQuic('--disable-quic', ...more);

export const launchChromiumWithQuic = (...more) =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...more,
    ],
  });
