// The component: the world `script` of `wit/script.wit` over the runtime, which knows nothing of WebAssembly.

import { answerBytes, figure, log, send } from "granary:script/host@1.0.0";

import * as http from "../../javascript/http.js";
import * as metrics from "../../javascript/metrics.js";
import { Refused } from "./diagnostic.js";
import * as entropy from "./entropy.js";
import * as logs from "./logs.js";
import * as refusal from "./refusal.js";
import { Runtime } from "./runtime.js";

const core = new Runtime();
// Taken before any script can replace it.
const encoder = new TextEncoder();
const encode = encoder.encode.bind(encoder);

/** An error of the contract, with what it carries. */
function contractError(payload) {
  return Object.assign(new Error("refused"), { payload });
}

/** Sends a request by the contract's function. */
function transport(request) {
  try {
    return send(request);
  } catch (error) {
    const { tag, val } = error.payload ?? {};
    if (tag === undefined) throw error;
    throw new http.FetchError(tag, val);
  }
}

export const runtime = {
  init(kind, source, config) {
    entropy.install();
    logs.install((level, logger, message) => log(level, logger, message));
    refusal.install(kind);
    http.install(transport);
    metrics.install(figure);
    try {
      return core.init(kind, source, config);
    } catch (error) {
      if (error instanceof Refused) throw contractError(error.diagnostics);
      throw error;
    }
  },

  execute(batch) {
    const frame = core.execute(batch);
    if (typeof frame === "string") throw contractError(frame);
    answerBytes(encode(frame.text));
  },
};
