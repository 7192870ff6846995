import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { DirectUpdate, GrnryEventUpdate, InvalidUpdate, RetryException, Update, toMillis } from "granary-belt";
import { declare } from "granary-belt/context.js";

afterEach(() => declare(null, null));

test("a profile update has the documented defaults", () => {
  const message = new Update("c1", ["visits"]).setValue("4", { inserted: 1_700_000_000 }).update();
  assert.deepEqual(message, {
    _schema: null,
    _operation: "_set",
    _id: "c1",
    _path: ["visits"],
    _value: {
      _v: "4", _c: 1, _in: 1_700_000_000_000, _ttl: "P100Y", _ttn: "P100Y", _origin: "/belts/local", _reader: "_auth",
    },
    _profile_type: "_d",
  });
  declare("7", []);
  assert.equal(new Update("c1", ["a"]).setValue("1").update()._value._origin, "/belts/7");
});

test("a profile update needs a path and a value", () => {
  assert.throws(() => new Update("c1", "visits"), /list of texts/);
  assert.throws(() => new Update("c1", []), /at least one/);
  assert.throws(() => new Update("c1", ["a"]).update(), InvalidUpdate);
});

test("updates note their place only where they look wrong", () => {
  declare("1", [["people", "live_segment"]]);
  assert.equal(new DirectUpdate("people", { id: "1" }).made, undefined);
  assert.match(new DirectUpdate("poeple", { id: "1" }).made, /updates.test.mjs/);
  assert.match(new DirectUpdate("people", {}).made, /updates.test.mjs/);
  assert.match(new DirectUpdate("people", "text").made, /updates.test.mjs/);
});

test("the rest behaves", () => {
  assert.equal(toMillis(1_700_000_000), 1_700_000_000_000);
  assert.equal(toMillis(1_700_000_000_123), 1_700_000_000_123);
  class Later extends RetryException {}
  assert.equal(new Later("x").name, "Later");
  const event = new GrnryEventUpdate("next", "c1").setValue({ a: 1 });
  assert.deepEqual([event.eventId, event.timestamp, event.headers, event.value], [null, null, null, { a: 1 }]);
});
