// A belt's source: types are stripped, imports and exports turned into what can be evaluated, line for line.

import { transform } from "sucrase";

import { diagnostic, refuse, Refused, SOURCE_NAME } from "./diagnostic.js";
import { describe, frames, traceback } from "./failure.js";

/** What a belt imports. */
const PACKAGE = "granary-belt";

const indirectEval = eval;

/** Evaluates a module and answers what it exports. */
export function load(source, belt) {
  let code;
  try {
    ({ code } = transform(source, {
      transforms: ["typescript", "imports"],
      disableESTransforms: true,
      production: true,
      preserveDynamicImport: false,
    }));
  } catch (error) {
    // "Error transforming : Unexpected token (3:5)"
    const place = /\((\d+):(\d+)\)\s*$/.exec(error.message);
    const message = error.message.replace(/^.*?Error transforming[^:]*:\s*/, "").replace(/\s*\(\d+:\d+\)\s*$/, "");
    refuse(`SyntaxError: ${message}`, source, place ? +place[1] : 0, place ? +place[2] : 0);
  }
  let module;
  try {
    // In one line with the first of the source, so that lines keep their numbers.
    module = indirectEval(`(function (require, exports, module) {${code}\n})\n//# sourceURL=${SOURCE_NAME}`);
  } catch (error) {
    const [type, message] = describe(error);
    refuse(`${type}: ${message}`, source, error.lineNumber ?? 0, 0);
  }
  const exports = {};
  const require = (name) => {
    if (name === PACKAGE) return belt;
    const line = source.split("\n").findIndex((text) => text.includes(`"${name}"`) || text.includes(`'${name}'`)) + 1;
    refuse(
      `'${name}' cannot be imported: a belt is one file and imports '${PACKAGE}' alone; bundle what it needs, with ` +
        `esbuild belt.ts --bundle --format=esm --external:${PACKAGE} --outfile=belt.bundle.js`,
      source,
      line,
    );
  };
  try {
    module(require, exports, { exports });
  } catch (error) {
    if (error instanceof Refused) throw error;
    const [type, message] = describe(error);
    const [innermost] = frames(error);
    const place = [innermost?.line ?? 0, innermost?.line === 1 ? 0 : (innermost?.column ?? 0)];
    throw new Refused([diagnostic("error", `${type}: ${message}`, source, ...place, traceback(error, source))]);
  }
  return exports;
}
