// Checks updates against the belt's declared outputs and gives them the form in which they leave the belt (`FRAME.md`).

import * as belt from "../../javascript/index.js";
import { context } from "../../javascript/context.js";
import { json } from "./json.js";

const { GenericUpdate, GrnryEventUpdate, Update, InvalidUpdate, MissingId, UndeclaredOutput, WrongOutputKind } = belt;
// This runs for every event: what is looked up once here need not be looked up among the globals each time.
const { stringify } = JSON;
const { isSafeInteger } = Number;

/** How an update of `context.lastLiveSegment` begins. */
let begin = "";

/** The JSON of an update that is no `DirectUpdate`, or null where it is no update at all. */
export function wire(update) {
  if (update instanceof GrnryEventUpdate) return event(update);
  if (update instanceof Update) return `["u",${json(update.update(), "the Update")}]`;
  if (update instanceof GenericUpdate) return generic(update);
  return null;
}

/** The JSON of a `DirectUpdate`. */
export function direct(update) {
  const { outputTypeName: name, value } = update;
  if (name !== context.lastLiveSegment) {
    checkTarget(update, "live_segment");
    begin = `["d",${stringify(name)},`;
    context.lastLiveSegment = name;
  }
  const id = value?.id;
  // What is no object has none, as a rule. A list that has one is written as a list, and refused for it.
  if (!(typeof id === "string" ? id !== "" : isSafeInteger(id))) {
    if (!isObject(value)) {
      throw new InvalidUpdate(`DirectUpdate for '${name}': the value must be an object, got ${kindOf(value)}`, update.made);
    }
    const what =
      id === undefined
        ? `it has none (keys: ${Object.keys(value).slice(0, 20).join(", ")})`
        : id === ""
          ? "it is an empty text"
          : `it is ${kindOf(id)}`;
    throw new MissingId(
      `DirectUpdate for '${name}': the value needs to contain an id property, a text or an integer, but ${what}`,
      update.made,
    );
  }
  return `${begin}${json(value, "the value for", name, true)}]`;
}

function event(update) {
  checkTarget(update, "data_in");
  const { outputTypeName: name, made } = update;
  const where = `GrnryEventUpdate for '${name}'`;
  if (!isObject(update.value)) {
    const came = update.value === null ? "setValue(...) was not called" : `got ${kindOf(update.value)}`;
    throw new InvalidUpdate(`${where}: the payload must be an object, ${came}`, made);
  }
  const parts = [
    idText(update.correlationId, `${where}: the correlation id`, made),
    update.eventId === null || update.eventId === undefined ? null : idText(update.eventId, `${where}: the event id`, made),
    timestamp(update.timestamp, where, made),
    headers(update.headers, where, made),
  ];
  const rest = parts.map((part) => stringify(part)).join(",");
  return `["g",${stringify(name)},${rest},${json(update.value, "the payload for", name, true)}]`;
}

function generic(update) {
  if (context.outputs?.size) {
    throw new WrongOutputKind(
      "GenericUpdate does not work in a belt with outputTypes; use DirectUpdate, GrnryEventUpdate or Update " +
        `(${declaredText(context.outputs)})`,
    );
  }
  const { value } = update;
  let content;
  if (typeof value === "string") content = stringify(value);
  else if (value instanceof Uint8Array) content = stringify({ base64: base64(value) });
  else if (typeof value === "object" && value !== null) content = stringify(json(value, "the value of a GenericUpdate"));
  else throw new InvalidUpdate(`GenericUpdate: the value must be text or bytes, got ${kindOf(value)}`);
  const id = idText(update.id, "GenericUpdate: the id");
  return `["r",${stringify(id)},${content},${stringify(headers(update.headers, "GenericUpdate"))}]`;
}

function base64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return btoa(text);
}

function declaredText(outputs) {
  if (outputs.size === 0) return "the belt declares no outputTypes";
  return `declared are ${[...outputs].map(([name, kind]) => `'${name}' (${kind})`).join(", ")}`;
}

function checkTarget(update, kind) {
  const { outputs } = context;
  const { outputTypeName: name } = update;
  if (outputs === null || outputs.get(name) === kind) return;
  const type = update.constructor.name;
  const actual = outputs.get(name);
  if (actual !== undefined) {
    throw new WrongOutputKind(
      `${type}: output '${name}' is of kind ${actual}, but a ${type} needs an output of kind ${kind}; ${declaredText(outputs)}`,
      update.made,
    );
  }
  const shown = typeof name === "string" ? `'${name}'` : kindOf(name);
  const near = typeof name === "string" ? nearest(name, [...outputs.keys()]) : undefined;
  const hint = near === undefined ? "" : `; did you mean '${near}'?`;
  throw new UndeclaredOutput(`${type}: ${shown} is not an output of this belt, ${declaredText(outputs)}${hint}`, update.made);
}

/** The known name that takes the fewest changes, if it takes few. */
function nearest(name, known) {
  let best;
  let least = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = changes(name, candidate);
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

function changes(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

export function kindOf(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return `of type ${value.constructor?.name ?? "object"}`;
  return `of type ${typeof value}`;
}

function idText(value, what, made) {
  if (Number.isSafeInteger(value)) return String(value);
  if (typeof value === "string" && value !== "") return value;
  const came = value === "" ? "an empty text" : value === null || value === undefined ? "none" : kindOf(value);
  throw new InvalidUpdate(`${what} must be a text, got ${came}`, made);
}

function timestamp(value, where, made) {
  if (value === null || value === undefined) return null;
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof number === "number" && Number.isFinite(number)) return String(belt.toMillis(number));
  throw new InvalidUpdate(`${where}: the timestamp must be milliseconds since the epoch, got ${String(value).slice(0, 60)}`, made);
}

function headers(given, where, made) {
  if (given === null || given === undefined) return null;
  if (!isObject(given)) throw new InvalidUpdate(`${where}: headers must be an object of texts, got ${kindOf(given)}`, made);
  const texts = {};
  for (const [name, value] of Object.entries(given)) {
    if (typeof value !== "string" && typeof value !== "number") {
      throw new InvalidUpdate(`${where}: headers must be an object of texts, header '${name}' is ${kindOf(value)}`, made);
    }
    texts[name] = String(value);
  }
  return texts;
}
