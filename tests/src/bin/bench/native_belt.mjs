// The baseline of js_belt_vs_node: the same callback and classes under the Node.js that runs this file.
//
//     node native_belt.mjs <callback module> <file of payloads, one JSON text a line> <seconds>
//
// From the stored bytes of a payload to the bytes of the updates, over and over. Prints events per second. The headers
// are there as an object already, which the engine has to make: that is in favour of this side.

import { readFileSync } from "node:fs";

const [callback, file, seconds] = process.argv.slice(2);
const { execute } = await import(callback);
const payloads = readFileSync(file, "utf8").split("\n").map((line) => Buffer.from(line));
const events = payloads.map((payload, n) => [
  {
    "grnry-event-type": "livesegment-datain",
    "grnry-event-type-version": "1",
    "grnry-event-id": `0a0b0c0d-0000-4000-8000-${String(n).padStart(12, "0")}`,
    "grnry-correlation-id": `0a0b0c0d-0000-4000-9000-${String(n).padStart(12, "0")}`,
    "grnry-harvester-name": "harvesterforlivesegm",
    "grnry-event-timestamp": "1700000000000",
  },
  payload,
]);
let done = 0;
let bytes = 0;
const begun = performance.now();
const until = begun + Number(seconds) * 1000;
while (performance.now() < until) {
  for (const [headers, payload] of events) {
    for (const update of execute(headers, JSON.parse(payload.toString()))) {
      bytes += Buffer.from(JSON.stringify(update.value)).length;
    }
  }
  done += events.length;
}
if (bytes === 0) throw new Error("the callback answered nothing");
console.log((done / (performance.now() - begun)) * 1000);
