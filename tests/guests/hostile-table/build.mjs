// Makes table.wasm of table.wat: node build.mjs. Needs what `scripts/setup.sh --only javascript` installs.

import { readFile, writeFile } from "node:fs/promises";

import { componentEmbed, componentNew, parse } from "../../../.granary/node/node_modules/@bytecodealliance/jco-transpile/dist/wasm-tools.js";

const beside = (name) => new URL(name, import.meta.url);
const binary = await parse(await readFile(beside("table.wat"), "utf8"));
const witSource = await readFile(beside("../../../wit/belt.wit"), "utf8");
const embedded = await componentEmbed({ binary, witSource, world: "belt", stringEncoding: "utf8" });
await writeFile(beside("table.wasm"), await componentNew(embedded, []));
