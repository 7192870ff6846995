// `console`: to the belt's logs.

const LINE_MAX = 16_384;

/** Shown only where the belt's `debug` is set. */
let debug = false;

export function setDebug(on) {
  debug = on;
}

const { stringify } = JSON;

function shown(value) {
  if (typeof value === "string") return value;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (typeof value === "object" && value !== null) {
    try {
      if (value instanceof Map || value instanceof Set) return `${value.constructor.name} ${stringify([...value])}`;
      return stringify(value) ?? String(value);
    } catch {
      return Object.prototype.toString.call(value);
    }
  }
  if (typeof value === "bigint") return `${value}n`;
  return String(value);
}

/** Replaces `console`. `sink` takes level, logger and message. */
export function install(sink) {
  const writer = (level) => (...values) => {
    if (level === "debug" && !debug) return;
    // Lone surrogates have no UTF-8.
    const text = values.map(shown).join(" ").toWellFormed();
    for (let at = 0; at < text.length || at === 0; at += LINE_MAX) sink(level, "console", text.slice(at, at + LINE_MAX));
  };
  const info = writer("info");
  globalThis.console = {
    log: info,
    info,
    debug: writer("debug"),
    trace: writer("debug"),
    warn: writer("warning"),
    error: writer("error"),
    assert: (holds, ...values) => {
      if (!holds) globalThis.console.error("Assertion failed:", ...values);
    },
  };
}
