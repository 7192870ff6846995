// Exceptions as the user should see them: type, text, and the user's own lines.

import { RetryException } from "../../javascript/index.js";
import { SOURCE_NAME } from "./diagnostic.js";

/** Longest message and stack trace in characters: both go into headers of the dead letter. */
const MESSAGE_MAX = 4_000;
const TRACEBACK_MAX = 16_000;
/** Frames that are shown; an endless recursion has thousands. */
const FRAMES_MAX = 40;

const OUT_OF_MEMORY = /out of memory|allocation size overflow|invalid (array|string|typed array) length|array buffer allocation/i;

const { stringify } = JSON;

/** The failed item of the frame, as JSON. */
export function outcome(error, source) {
  const [type, message] = describe(error);
  return stringify({ e: [type, message, cut(traceback(error, source), TRACEBACK_MAX), isRetry(error)] });
}

function isRetry(error) {
  try {
    return error instanceof RetryException;
  } catch {
    return false;
  }
}

/** Type and message of whatever was thrown. */
export function describe(error) {
  try {
    if (error instanceof Error) {
      const type = String(error.name || error.constructor?.name || "Error");
      const message = String(error.message);
      if (OUT_OF_MEMORY.test(message) && (type === "InternalError" || type === "RangeError" || type === "Error")) {
        return ["MemoryError", `out of memory: the belt asked for more than its memory limit allows (${cut(message, 200)})`];
      }
      return [cut(type, 200), cut(message, MESSAGE_MAX)];
    }
    // SpiderMonkey throws this text where there was no memory for an error.
    if (error === "out of memory") return ["MemoryError", "out of memory: the belt asked for more than its memory limit allows"];
    return [typeof error, cut(`${typeof error === "object" ? stringify(error) : String(error)} was thrown, which is no Error`, MESSAGE_MAX)];
  } catch {
    return ["Error", "(its text cannot be shown)"];
  }
}

/** The frames of the user's own source: function, line, column, outermost last. */
export function frames(error) {
  let stack = "";
  try {
    stack = String(error?.stack ?? "");
  } catch {
    return [];
  }
  const found = [];
  for (const line of stack.split("\n")) {
    // SpiderMonkey: `name@extractorFn:3:11`; V8: `    at name (extractorFn:3:11)`.
    const match = /^(?:\s*at\s+)?(.*?)[@(\s]*extractorFn:(\d+):(\d+)\)?$/.exec(line);
    if (match) found.push({ name: match[1].replace(/^Object\./, "") || "(module)", line: +match[2], column: +match[3] });
    if (found.length === FRAMES_MAX) break;
  }
  return found;
}

/** The stack trace with the lines themselves, the innermost call first. */
export function traceback(error, source) {
  const lines = source.split("\n");
  let text = "";
  for (const { name, line, column } of frames(error)) {
    text += `  at ${name} (${SOURCE_NAME}:${line}:${column})\n`;
    const excerpt = lines[line - 1]?.trim();
    if (excerpt) text += `    ${cut(excerpt, 200)}\n`;
  }
  return text;
}

function cut(text, most) {
  return text.length > most ? `${text.slice(0, most)}...` : text;
}
