// Values as JSON. `JSON.stringify` is fast and hides things: NaN and functions in lists become null, a Map becomes {}.
// What it hides shows as `null` or `{}` in the text, so only such texts are looked at again.

import { InvalidUpdate } from "../../javascript/index.js";
import { kindOf } from "./wire.js";

const { stringify } = JSON;

/**
 * The JSON of a value; an `InvalidUpdate` with the place where it has none, or where it must be an object and is written as
 * something else. `what` it is, and of which name.
 */
export function json(value, what, name, mustBeObject = false) {
  let text;
  try {
    text = stringify(value);
  } catch (error) {
    look(value, called(what, name), "", []);
    throw new InvalidUpdate(`${called(what, name)} is not JSON: ${error.message}`);
  }
  if (typeof text !== "string") throw new InvalidUpdate(`${called(what, name)} is not JSON: it is ${kindOf(value)}`);
  if (text.includes("null") || text.includes("{}")) look(value, called(what, name), "", []);
  if (mustBeObject && text[0] !== "{") {
    throw new InvalidUpdate(`${called(what, name)} is not written as an object, but as ${text.slice(0, 60)}`);
  }
  return text;
}

function called(what, name) {
  return name === undefined ? what : `${what} '${name}'`;
}

/** Throws for the first place whose value JSON does not have. */
function look(value, what, place, above) {
  const refuse = (why) => {
    throw new InvalidUpdate(`${what}${place ? ` at ${place}` : ""} is not JSON: ${why}`);
  };
  switch (typeof value) {
    case "number":
      if (!Number.isFinite(value)) refuse(`it is ${value}`);
      return;
    case "bigint":
      refuse(`it is the BigInt ${value}; make it a Number or a text`);
      return;
    case "function":
    case "symbol":
    case "undefined":
      refuse(`it is ${kindOf(value)}`);
      return;
    case "object":
      break;
    default:
      return;
  }
  if (value === null || typeof value.toJSON === "function") return;
  if (above.includes(value)) refuse("it contains itself");
  if (above.length > 128) refuse("it is nested deeper than 128 levels");
  if (value instanceof Map || value instanceof Set) refuse(`it is a ${value.constructor.name}; make it an object or a list`);
  above.push(value);
  if (Array.isArray(value)) {
    value.forEach((item, index) => look(item, what, `${place}[${index}]`, above));
  } else {
    for (const [key, item] of Object.entries(value)) {
      // As in JSON: a key without a value is left out.
      if (item !== undefined) look(item, what, place ? `${place}.${key}` : key, above);
    }
  }
  above.pop();
}
