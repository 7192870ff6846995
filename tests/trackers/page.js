// In the page: a tracker that reports what it was told to send, and what became of its requests. `report` is of
// browser.mjs, which outlives the page.

/* global snowplowBrowserTracking, report */

const tracking = snowplowBrowserTracking;

// eslint-disable-next-line no-unused-vars
function begin(name, collector, events, options) {
  tracking.newTracker(name, collector, {
    appId: events.appId,
    bufferSize: 1,
    onRequestSuccess: (batch) => report({ acknowledged: batch.length }),
    onRequestFailure: () => report({ failed: true }),
    plugins: [{
      afterTrack: (payload) => {
        const texts = Object.entries(payload).map(([key, value]) => [key, String(value)]);
        report({ tracked: Object.fromEntries(texts) });
      },
    }],
    ...options,
  });
  tracking.setUserId(events.userId, [name]);
  tracking.setCustomUrl(events.pageView.url, [name]);
  tracking.setReferrerUrl(events.pageView.referrer, [name]);
}

// eslint-disable-next-line no-unused-vars
const track = {
  pageView: (name, events) =>
    tracking.trackPageView({ title: events.pageView.title, context: [events.context] }, [name]),
  structured: (name, events, property) =>
    tracking.trackStructEvent({ ...events.structured, property }, [name]),
  selfDescribing: (name, events) =>
    tracking.trackSelfDescribingEvent({ event: events.selfDescribing, context: [events.context] }, [name]),
  flush: (name) => tracking.flushBuffer({}, [name]),
};
