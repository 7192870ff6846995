// Figures of the belt's own: in the engine's `/metrics` as `granary_belt_user_<name>`; outside the engine nothing happens.

let sink = () => {};

/** Says where figures go. For the runtime. */
export function install(report) {
  sink = report;
}

function report(kind, name, value, labels) {
  if (typeof name !== "string") throw new TypeError(`metrics: expected a text as name, got ${name}`);
  const number = Number(value);
  sink(kind, name, number, Object.entries(labels).map(([label, text]) => [label, String(text)]));
}

export const metrics = {
  /** Adds to a counter, a whole number from 0. */
  increment(name, by = 1, labels = {}) {
    if (!Number.isSafeInteger(by) || by < 0) {
      throw new RangeError(`metrics.increment: expected a whole number from 0, got ${by}`);
    }
    report("counter", name, by, labels);
  },

  /** Sets a gauge. */
  gauge(name, value, labels = {}) {
    report("gauge", name, value, labels);
  },

  /** Adds a value to a histogram. */
  observe(name, value, labels = {}) {
    report("histogram", name, value, labels);
  },
};
