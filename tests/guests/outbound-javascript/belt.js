// A belt that asks a server for the name that it writes, at the address of its variable URL.

import { DirectUpdate, env, fetchSync } from "granary-belt";

export function execute(headers) {
  const options = { method: "POST", headers: { "x-asked-by": "belt" }, body: "Ada", timeout: 60_000 };
  const answer = fetchSync(env.URL, options);
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  const row = {
    id: headers["grnry-correlation-id"],
    firstName: answer.text(),
    lastName: answer.headers.get("x-answered-by"),
  };
  return [new DirectUpdate("livesegment-dataoutp", row)];
}
