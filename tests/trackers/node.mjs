// Tracks with Snowplow's Node tracker. See README.md for what it is given and what it prints.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as pause } from 'node:timers/promises';

// The packages lie outside of the sources: the folder is given.
const [collector, packages] = process.argv.slice(2);
const load = createRequire(`${packages}/`);
const { newTracker, buildPageView, buildSelfDescribingEvent, buildStructEvent } = load('@snowplow/node-tracker');

const events = JSON.parse(readFileSync(new URL('events.json', import.meta.url), 'utf8'));
// More than are ever tracked while the collector is killed: without this limit, a collector that was not killed would be
// sent events for ever.
const UNTIL_FAILURE_MAX = 5_000;
// Between two looks at what has changed, and so between two flushes of a tracker that has not got through.
const PAUSE_MS = 20;

const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

// A tracker with the record of what it was told to send, and of what was acknowledged.
class Client {
  tracked = [];
  acknowledged = 0;
  failed = false;

  constructor(encodeBase64, options) {
    const { protocol, hostname, port } = new URL(collector);
    this.tracker = newTracker({ namespace: events.namespace, appId: events.appId, encodeBase64 }, {
      endpoint: hostname,
      protocol: protocol.replace(':', ''),
      port: Number(port),
      onRequestSuccess: (batch) => { this.acknowledged += batch.length; },
      onRequestFailure: () => { this.failed = true; },
      ...options,
    });
    this.tracker.setUserId(events.userId);
    this.tracker.setLang('de-DE');
  }

  track(event, context) {
    const payload = this.tracker.track(event, context);
    this.tracked.push(Object.fromEntries(Object.entries(payload).map(([key, value]) => [key, String(value)])));
  }

  eachKind() {
    const { url, title, referrer } = events.pageView;
    this.track(buildPageView({ pageUrl: url, pageTitle: title, referrer }), [events.context]);
    this.structured(events.structured.property);
    this.track(buildSelfDescribingEvent({ event: events.selfDescribing }), [events.context]);
  }

  structured(property) {
    this.track(buildStructEvent({ ...events.structured, property }));
  }

  // Sends what was not sent. The tracker itself tries again with the next event only, so a program that has no more has
  // to flush.
  async everythingAcknowledged() {
    for (;;) {
      await this.tracker.flush();
      if (this.acknowledged >= this.tracked.length) return;
      await pause(PAUSE_MS);
    }
  }
}

const batches = new Client(false, {});
batches.eachKind();
for (let number = 0; number < events.batch; number += 1) batches.structured(`batch ${number}`);
await batches.everythingAcknowledged();

const pixel = new Client(true, { eventMethod: 'get', bufferSize: 1 });
pixel.eachKind();
await pixel.everythingAcknowledged();

batches.failed = false;
say({ steady: true });
for (let number = 0; number < UNTIL_FAILURE_MAX && !batches.failed; number += 1) {
  batches.structured(`steady ${number}`);
  // Answers come in between.
  await pause(1);
}
say({ failed: batches.failed });
for (let number = 0; number < events.batch; number += 1) batches.structured(`away ${number}`);
await batches.everythingAcknowledged();
say({ tracked: [...batches.tracked, ...pixel.tracked] });
