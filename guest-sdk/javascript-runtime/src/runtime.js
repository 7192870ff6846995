// The runtime: one script per instance, batches in, batches out. The frame is described in `FRAME.md`.

import { env } from "../../javascript/index.js";
import { loadBelt } from "./belt.js";
import { refuse } from "./diagnostic.js";
import { outcome } from "./failure.js";
import { setDebug } from "./logs.js";

// Taken before any script can replace them.
const { parse, stringify } = JSON;
const { isArray } = Array;
const { keys, values } = Object;
const compile = eval;
const decoder = new TextDecoder();
const decode = decoder.decode.bind(decoder);
const fromBase64 = globalThis.atob.bind(globalThis);

export class Runtime {
  #script = null;
  #source = "";

  /** Loads a script and answers its warnings. Throws `Refused` with what is wrong. */
  init(kind, source, config) {
    if (kind !== "belt") {
      refuse("JavaScript runs as a belt; the script of a harvester is Python, or a component", source);
    }
    const settings = parse(config || "{}");
    setDebug(Boolean(settings.debug));
    Object.assign(env, settings.env ?? {});
    globalThis.process = { env };
    this.#source = source;
    this.#script = loadBelt(source, settings);
    return [];
  }

  /** Runs the script on each event of a batch and answers `{ text }`. A plain text says what was not understood. */
  execute(batch) {
    const script = this.#script;
    if (script === null) return "init was not called, or refused the script";
    let events;
    try {
      events = parse(decode(batch));
    } catch (error) {
      return `the frame is not JSON: ${error.message}`;
    }
    const headers = new Headers();
    let answer = "[";
    for (let index = 0; index < events.length; index += 1) {
      const item = events[index];
      let text;
      try {
        if (isArray(item)) text = script.run(headers.next(item[0]), item.length > 2 ? bytes(item[2]) : item[1]);
        else text = script.run(item.session[0], item.session[1]);
        text = `[${text}]`;
      } catch (error) {
        text = outcome(error, this.#source);
      }
      answer += index > 0 ? `,${text}` : text;
    }
    return { text: `${answer}]` };
  }
}

/** The headers of a batch's events: the frame has all of them, or what differs from the event before. */
class Headers {
  #names = [];
  #values = [];
  #make = null;

  /** An object for each event, with which a belt may do what it likes. */
  next(given) {
    if (!isArray(given)) {
      this.#names = keys(given);
      this.#values = values(given);
      this.#make = null;
      return given;
    }
    const held = this.#values;
    for (let at = 0; at < given.length; at += 2) held[given[at]] = given[at + 1];
    this.#make ??= maker(this.#names);
    return this.#make(held);
  }
}

/** Functions that make objects of those names from lists of their values, by their code. A belt may change prototypes. */
let makers = { __proto__: null };
let made = 0;

/** A function whose names are known when it is compiled: that is three times as fast as setting one after the other. */
function maker(names) {
  let code = "";
  for (let index = 0; index < names.length; index += 1) code += `${stringify(names[index])}:v[${index}],`;
  if (makers[code] === undefined) {
    // There are a few, as a rule.
    if (made >= 100) {
      makers = { __proto__: null };
      made = 0;
    }
    makers[code] = compile(`(v)=>({${code}})`);
    made += 1;
  }
  return makers[code];
}

function bytes(text) {
  const binary = fromBase64(text);
  const found = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) found[at] = binary.charCodeAt(at);
  return found;
}
