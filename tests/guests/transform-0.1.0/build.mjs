// Makes transform.wasm of transform.wat: node build.mjs. Needs what `scripts/setup.sh --only javascript` installs.

import { readFile, writeFile } from "node:fs/promises";

import { componentEmbed, componentNew, parse } from "../../../.granary/node/node_modules/@bytecodealliance/jco-transpile/dist/wasm-tools.js";

const beside = (name) => new URL(name, import.meta.url);
const binary = await parse(await readFile(beside("transform.wat"), "utf8"));
const witSource = await readFile(beside("transform.wit"), "utf8");
const embedded = await componentEmbed({ binary, witSource, world: "transform", stringEncoding: "utf8" });
await writeFile(beside("transform.wasm"), await componentNew(embedded, []));
