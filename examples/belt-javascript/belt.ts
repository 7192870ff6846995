// The belt of the live-segment guide: every event becomes a row of a live segment, keyed by its correlation id.

import { DirectUpdate, type Headers } from "granary-belt";

interface Person {
  firstName: string;
  lastName: string;
}

export function execute(headers: Headers, payload: Person) {
  if (typeof payload.firstName !== "string") throw new TypeError("the event has no firstName");
  return [
    new DirectUpdate("livesegment-dataoutp", {
      id: headers["grnry-correlation-id"],
      firstName: payload.firstName,
      lastName: payload.lastName,
    }),
  ];
}
