// Makes a component of a guest that is written by hand:
//
//     node build.mjs <folder/name, of name.wat and name.wasm> <WIT file> <world>
//
// Paths are from here. Needs what `scripts/setup.sh --only javascript` installs.

import { readFile, writeFile } from "node:fs/promises";

import { componentEmbed, componentNew, parse } from "../../.granary/node/node_modules/@bytecodealliance/jco-transpile/dist/wasm-tools.js";

const [guest, wit, world] = process.argv.slice(2);
const beside = (name) => new URL(name, import.meta.url);
const binary = await parse(await readFile(beside(`${guest}.wat`), "utf8"));
const witSource = await readFile(beside(wit), "utf8");
const embedded = await componentEmbed({ binary, witSource, world, stringEncoding: "utf8" });
await writeFile(beside(`${guest}.wasm`), await componentNew(embedded, []));
