// Makes belt.wasm of belt.wat: node build.mjs. Needs what `scripts/setup.sh --only javascript` installs.

import { readFile, writeFile } from "node:fs/promises";

import { componentEmbed, componentNew, parse } from "../../../.granary/node/node_modules/@bytecodealliance/jco-transpile/dist/wasm-tools.js";

const beside = (name) => new URL(name, import.meta.url);
const binary = await parse(await readFile(beside("belt.wat"), "utf8"));
const witSource = await readFile(beside("belt.wit"), "utf8");
const embedded = await componentEmbed({ binary, witSource, world: "belt", stringEncoding: "utf8" });
await writeFile(beside("belt.wasm"), await componentNew(embedded, []));
