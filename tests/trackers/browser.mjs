// Tracks with Snowplow's browser tracker in headless Chromium, in pages of other sites than the collector's. See README.md for
// what it is given and what it prints.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

// The packages and the browser lie outside of the sources: the places are given.
const [collector, packages, executablePath] = process.argv.slice(2);
const load = createRequire(`${packages}/`);
const { chromium } = load('playwright-core');

const source = (name) => readFileSync(new URL(name, import.meta.url), 'utf8');
const events = JSON.parse(source('events.json'));
// More than are ever tracked while the collector is killed: without this limit, a collector that was not killed would be
// sent events for ever.
const UNTIL_FAILURE_MAX = 2_000;
// Between two looks at what has changed, and so between two flushes of a tracker that has not got through.
const PAUSE_MS = 20;

const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

const files = {
  '/': ['text/html', source('page.html')],
  '/page.js': ['text/javascript', source('page.js')],
  '/tracker.js': ['text/javascript', readFileSync(load.resolve('@snowplow/browser-tracker').replace(/[^/]*$/, 'index.umd.min.js'))],
};
const server = createServer((request, response) => {
  const [type, content] = files[request.url] ?? [];
  response.writeHead(content ? 200 : 404, { 'Content-Type': `${type ?? 'text/plain'}; charset=utf-8` });
  response.end(content);
});
await new Promise((listening) => { server.listen(0, '127.0.0.1', listening); });
// Browsers look up no name below localhost, and these are sites of their own.
const site = (name) => `http://${name}.localhost:${server.address().port}/`;

// Root has no sandbox in Chromium; the rest keeps it from asking for anything outside of this machine.
const launch = {
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
};
const profiles = mkdtempSync(join(tmpdir(), 'granary-browser-'));
const people = [];

// A browser's first profile, which takes cookies of other sites: the full Chromium refuses them in private windows, and some
// builds do so everywhere.
function profile() {
  const folder = mkdtempSync(join(profiles, 'profile-'));
  mkdirSync(join(folder, 'Default'));
  const preferences = { profile: { cookie_controls_mode: 0, block_third_party_cookies: false } };
  writeFileSync(join(folder, 'Default', 'Preferences'), JSON.stringify(preferences));
  return folder;
}

// A person with a browser: its pages share cookies, and each has the record of what it tracked.
class Person {
  tracked = [];
  acknowledged = 0;
  failed = false;

  static async begin() {
    const person = new Person();
    people.push(person);
    person.context = await chromium.launchPersistentContext(profile(), { ...launch, locale: 'de-DE' });
    person.page = await person.context.newPage();
    await person.page.exposeFunction('report', (what) => {
      if (what.tracked) person.tracked.push(what.tracked);
      if (what.failed) person.failed = true;
      person.acknowledged += what.acknowledged ?? 0;
    });
    return person;
  }

  // A tracker keeps what it has not sent under its name.
  async visit(name, tracker, options) {
    this.tracker = tracker;
    await this.page.goto(site(name));
    await this.page.evaluate((given) => begin(...given), [tracker, collector, events, options]);
  }

  async track(kind, ...rest) {
    await this.page.evaluate(([what, ...given]) => track[what](...given), [kind, this.tracker, events, ...rest]);
  }

  async eachKind() {
    await this.track('pageView');
    // The answer to the first request brings the cookie.
    await this.everythingAcknowledged();
    await this.track('structured', events.structured.property);
    await this.track('selfDescribing');
    await this.everythingAcknowledged();
  }

  // Sends what was not sent. The tracker itself tries again with the next event only.
  async everythingAcknowledged() {
    for (;;) {
      await this.track('flush');
      if (this.acknowledged >= this.tracked.length) return;
      await pause(PAUSE_MS);
    }
  }

  async cookie() {
    const cookies = await this.context.cookies(collector);
    return cookies.map(({ name, value, httpOnly, secure, sameSite, path }) => ({ name, value, httpOnly, secure, sameSite, path }));
  }
}

try {
  const ada = await Person.begin();
  await ada.visit('shop', events.namespace, { encodeBase64: false });
  await ada.eachKind();
  const cookies = await ada.cookie();
  // Another site, the same person; and the requests are images.
  await ada.visit('books', 'pixel', { encodeBase64: true, eventMethod: 'get' });
  await ada.eachKind();

  const anonymous = await Person.begin();
  await anonymous.visit('shop', 'anonymous', { encodeBase64: false, anonymousTracking: { withServerAnonymisation: true } });
  await anonymous.eachKind();
  const anonymousCookies = await anonymous.cookie();

  await ada.visit('shop', 'batches', { encodeBase64: false, bufferSize: 10 });
  for (let number = 0; number < events.batch; number += 1) await ada.track('structured', `batch ${number}`);
  await ada.everythingAcknowledged();

  await ada.visit('shop', events.namespace, { encodeBase64: false });
  ada.failed = false;
  say({ steady: true });
  for (let number = 0; number < UNTIL_FAILURE_MAX && !ada.failed; number += 1) await ada.track('structured', `steady ${number}`);
  say({ failed: ada.failed });
  for (let number = 0; number < events.batch; number += 1) {
    // Leaving the page while nothing gets through: what was not sent is in the page's storage.
    if (number === 10) await ada.visit('shop', events.namespace, { encodeBase64: false });
    await ada.track('structured', `away ${number}`);
  }
  await ada.everythingAcknowledged();
  say({
    tracked: ada.tracked,
    cookies,
    cookiesAfter: await ada.cookie(),
    anonymous: { tracked: anonymous.tracked, cookies: anonymousCookies },
  });
} finally {
  for (const { context } of people) await context?.close();
  rmSync(profiles, { recursive: true, force: true });
  server.close();
}
