// A belt that does what its events ask for, so that tests can see what becomes of it: {"do": "panic"}.

import { DirectUpdate } from "granary-belt";

const OUTPUT = "livesegment-dataoutp";

export function execute(headers, payload) {
  const value = { id: "1" };
  switch (payload.do) {
    case "ok":
      break;
    case "recursion":
      down(1);
      break;
    case "stack":
      // Recursion of the interpreter itself and not of a function.
      String(nested(100_000));
      break;
    case "memory":
      for (const hoard = []; ; ) hoard.push(new Uint8Array(1 << 20).fill(1));
    case "table":
      new WebAssembly.Table({ element: "anyfunc", initial: 1 }).grow(1 << 22);
      break;
    case "loop":
      for (;;);
    case "sleep":
      setTimeout(() => {}, 3_600_000);
      break;
    case "updates":
      return new Array(5_000_000).fill(new DirectUpdate(OUTPUT, value));
    case "line":
      console.log("x".repeat(100 << 20));
      break;
    case "utf8-out":
      value.name = "\udcff";
      break;
    case "deep-out":
      value.v = nested(100_000);
      break;
    case "panic":
      throw new TypeError("asked to fail");
    default:
      throw new Error(`unknown: ${payload.do}`);
  }
  return [new DirectUpdate(OUTPUT, value)];
}

function down(depth) {
  return down(depth + 1) + depth;
}

function nested(depth) {
  let value = [];
  for (let level = 0; level < depth; level += 1) value = [value];
  return value;
}
