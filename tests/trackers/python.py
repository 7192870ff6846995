"""Tracks with Snowplow's Python tracker. See README.md for what it is given and what it prints."""

import json
import pathlib
import sys
import threading

from snowplow_tracker import Emitter, PageView, SelfDescribing, SelfDescribingJson, StructuredEvent, Subject, Tracker

EVENTS = json.loads((pathlib.Path(__file__).parent / 'events.json').read_text('utf-8'))
# More than are ever tracked while the collector is killed: without this limit, a collector that was not killed would be
# sent events for ever.
UNTIL_FAILURE_MAX = 5_000


def say(**what):
    print(json.dumps(what), flush=True)


def described(what):
    return SelfDescribingJson(what['schema'], what['data'])


class Client:
    """A tracker with the record of what it was told to send, and of what was acknowledged."""

    def __init__(self, collector, base64, **options):
        self.tracked, self.acknowledged, self.failed = [], 0, False
        self.changed = threading.Condition()
        self.emitter = Emitter(collector, on_success=self.succeeded, on_failure=self.failed_with, **options)
        subject = Subject().set_platform('srv').set_user_id(EVENTS['userId']).set_lang('de-DE')
        self.tracker = Tracker(
            EVENTS['namespace'], self, subject=subject, app_id=EVENTS['appId'], encode_base64=base64)

    def input(self, payload):
        """The tracker's way to its emitter: what passes here is what was tracked."""
        self.tracked.append({key: str(value) for key, value in payload.items()})
        self.emitter.input(payload)

    def succeeded(self, events):
        with self.changed:
            self.acknowledged += len(events)
            self.changed.notify_all()

    def failed_with(self, _sent, _events):
        with self.changed:
            self.failed = True
            self.changed.notify_all()

    def each_kind(self):
        view, context = EVENTS['pageView'], [described(EVENTS['context'])]
        self.tracker.track(PageView(view['url'], view['title'], view['referrer'], context=context))
        self.structured(EVENTS['structured']['property'])
        self.tracker.track(SelfDescribing(described(EVENTS['selfDescribing']), context=context))

    def structured(self, property_):
        event = EVENTS['structured']
        self.tracker.track(StructuredEvent(
            category=event['category'], action=event['action'], label=event['label'], property_=property_,
            value=event['value']))

    def everything_acknowledged(self):
        """Flushes, and waits for the retries of the tracker itself."""
        self.emitter.flush()
        with self.changed:
            self.changed.wait_for(lambda: self.acknowledged >= len(self.tracked))


def main(collector):
    # A tracker that was left alone doubles its delay up to a minute.
    batches = Client(collector, base64=False, batch_size=10, max_retry_delay_seconds=1)
    batches.each_kind()
    for number in range(EVENTS['batch']):
        batches.structured(f'batch {number}')
    batches.everything_acknowledged()

    pixel = Client(collector, base64=True, method='get')
    pixel.each_kind()
    pixel.everything_acknowledged()

    batches.failed = False
    say(steady=True)
    for number in range(UNTIL_FAILURE_MAX):
        batches.structured(f'steady {number}')
        if batches.failed:
            break
    say(failed=batches.failed)
    for number in range(EVENTS['batch']):
        batches.structured(f'away {number}')
    batches.everything_acknowledged()
    say(tracked=batches.tracked + pixel.tracked)


main(sys.argv[1])
