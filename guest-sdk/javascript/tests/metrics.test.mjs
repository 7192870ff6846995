// Figures of a belt's own.

import assert from "node:assert/strict";
import { test } from "node:test";

import { metrics } from "../index.js";
import { install } from "../metrics.js";

test("figures carry their labels as text, and what is none is refused", () => {
  metrics.increment("orders_total");
  const seen = [];
  install((...figure) => seen.push(figure));
  metrics.increment("orders_total", 3, { country: "DE" });
  metrics.gauge("open_carts", 17, { shard: 2 });
  metrics.observe("value_eur", 41.97);
  assert.deepEqual(seen, [
    ["counter", "orders_total", 3, [["country", "DE"]]],
    ["gauge", "open_carts", 17, [["shard", "2"]]],
    ["histogram", "value_eur", 41.97, []],
  ]);
  for (const wrong of [-1, 1.5, "2", NaN]) {
    assert.throws(() => metrics.increment("orders_total", wrong), /whole number/);
  }
  assert.throws(() => metrics.gauge(7, 1), /text as name/);
});
