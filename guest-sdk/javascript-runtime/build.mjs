// Builds the component: node build.mjs <wit/script.wit> <output.wasm> <program weval>

import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { componentize } from "@bytecodealliance/componentize-js";
import { build } from "esbuild";

const [wit, output, weval] = process.argv.slice(2);
// Where there is no such program, componentize-js would fetch one.
if (!wit || !output || !weval || !existsSync(weval)) {
  console.error("usage: node build.mjs <script.wit> <output.wasm> <weval>");
  process.exit(2);
}
const folder = await mkdtemp(join(tmpdir(), "granary-javascript-"));
try {
  const bundle = join(folder, "runtime.js");
  await build({
    entryPoints: [fileURLToPath(new URL("src/app.js", import.meta.url))],
    outfile: bundle,
    bundle: true,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    target: "es2022",
    external: ["granary:*"],
    logLevel: "warning",
  });
  // No network at all: what is left are clocks, randomness and standard streams. What is JavaScript here is compiled, and so is
  // what the interpreter does for the operations of a belt's own code.
  const { component } = await componentize({
    sourcePath: bundle,
    witPath: wit,
    worldName: "script",
    enableAot: true,
    wevalBin: weval,
    disableFeatures: ["http", "fetch-event"],
  });
  await writeFile(output, component);
} finally {
  await rm(folder, { recursive: true, force: true });
}
