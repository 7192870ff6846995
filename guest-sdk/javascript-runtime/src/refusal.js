// What a sandboxed belt cannot do, and errors that say so. The host grants nothing anyway.

/** What an event must not be able to take away from the next one. */
const FROZEN = ["JSON", "Math", "Object", "Array", "String", "Number", "Map", "Set", "Date", "Reflect", "Promise"];

/** Replaces what a belt must not expect to work. */
export function install(kind) {
  const refuse = (name, what) => {
    Object.defineProperty(globalThis, name, {
      configurable: true,
      writable: true,
      value: function () {
        throw new Error(`a ${kind} ${what}: '${name}' does not work here`);
      },
    });
  };
  refuse("fetch", "waits for nothing, use fetchSync of 'granary-belt'");
  for (const name of ["XMLHttpRequest", "WebSocket", "EventSource"]) refuse(name, "has no network");
  for (const name of ["setTimeout", "setInterval", "setImmediate", "queueMicrotask", "requestAnimationFrame"]) {
    refuse(name, "has no timers: what it answers must be there when it returns");
  }
  for (const name of FROZEN) Object.freeze(globalThis[name]);
  for (const name of ["Worker", "SharedWorker"]) refuse(name, "cannot start threads");
}
