// The belt '@NAME@': every event becomes a row.

import { DirectUpdate, type Headers } from "granary-belt";

interface Signup {
  email: string;
  firstName: string;
  lastName: string;
}

// Called for every event; answers a list of updates. An exception makes the event a dead letter.
export function execute(headers: Headers, payload: Signup) {
  const name = `${payload.firstName} ${payload.lastName}`;
  console.log(`${name} signed up`);
  // The row with this id is replaced.
  return [new DirectUpdate("@NAME@", { id: payload.email, name })];
}
