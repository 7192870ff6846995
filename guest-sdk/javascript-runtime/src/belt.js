// Loads a belt and runs it on single events.

import { context, declare } from "../../javascript/context.js";
import * as sdk from "../../javascript/index.js";
import { refuse } from "./diagnostic.js";
import { load } from "./source.js";
import { direct, kindOf, wire } from "./wire.js";

/** Fetch modes with which `execute` gets the profile as third argument. */
const PREFETCH = ["PREFETCH", "PREFETCH_WITH_HISTORY", "TRUE"];

// Looked up once: this runs for every event.
const { isArray } = Array;
const { DirectUpdate, Update } = sdk;

/** A loaded belt. */
export class Belt {
  #execute;
  #hasProfile;
  #told = new Set();

  constructor(execute) {
    this.#execute = execute;
    this.#hasProfile = !context.outputs?.size || [...context.outputs.values()].includes("profile");
  }

  /** Calls `execute` for one event and answers the JSON of its updates, with commas between. */
  run(headers, payload) {
    let result = this.#execute(headers, payload);
    if (!isArray(result)) result = this.#asList(result);
    let text = "";
    for (let index = 0; index < result.length; index += 1) {
      const update = result[index];
      const form = update instanceof DirectUpdate ? direct(update) : wire(update);
      if (form === null) {
        this.#tell("ignored", `execute returned a list with a value ${kindOf(update)}, which is ignored`);
        continue;
      }
      if (!this.#hasProfile && update instanceof Update) {
        this.#tell("profile", "an Update goes to profile-update, although no output of kind profile is declared");
      }
      text = text === "" ? form : `${text},${form}`;
    }
    return text;
  }

  #asList(result) {
    if (result === null || result === undefined) return [];
    if (typeof result.then === "function") {
      throw new TypeError("execute returned a promise; a belt's execute must not be async, and return its updates");
    }
    if (
      result instanceof DirectUpdate ||
      result instanceof sdk.GrnryEventUpdate ||
      result instanceof sdk.GenericUpdate ||
      result instanceof Update
    ) {
      return [result];
    }
    this.#tell("result", `execute returned a value ${kindOf(result)}, which is ignored; return a list of updates`);
    return [];
  }

  #tell(topic, text) {
    // Once per instance: the same thing may happen for every event.
    if (this.#told.has(topic)) return;
    this.#told.add(topic);
    console.warn(`${text} (said once)`);
  }
}

/** Evaluates and checks a belt's module. Throws `Refused` when it cannot be a belt. */
export function loadBelt(source, config) {
  const outputs = (config.outputTypes ?? []).map(({ name, kind }) => [String(name), String(kind)]);
  declare(config.beltId === undefined || config.beltId === null ? "" : String(config.beltId), outputs);
  const fetch = String(config.fetchProfile || "FALSE").toUpperCase();
  const exports = load(source, sdk);
  const execute = checked(exports.execute ?? exports.default, source, fetch);
  return new Belt(PREFETCH.includes(fetch) ? (headers, payload) => execute(headers, payload, null) : execute);
}

function checked(execute, source, fetch) {
  const line = source.split("\n").findIndex((text) => /\bexecute\b/.test(text)) + 1;
  if (execute === undefined) {
    refuse("the belt exports no function named execute; write export function execute(headers, payload) { ... }", source);
  }
  if (typeof execute !== "function") refuse(`execute must be a function, but it is ${kindOf(execute)}`, source, line);
  const kind = Object.prototype.toString.call(execute).slice(8, -1);
  if (kind.startsWith("Async")) {
    refuse("execute is an async function; a belt's execute must be a plain function", source, line);
  }
  if (kind === "GeneratorFunction") {
    refuse("execute is a generator; return a list of updates instead", source, line);
  }
  const most = PREFETCH.includes(fetch) ? 3 : 2;
  if (execute.length > most) {
    refuse(
      `execute requires ${execute.length} arguments, but gets ${most} with fetchProfile ${fetch} (headers, payload` +
        `${most === 3 ? ", profile" : ""})`,
      source,
      line,
    );
  }
  return execute;
}
