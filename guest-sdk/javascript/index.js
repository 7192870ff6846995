// What a belt is written with. Inside the engine the runtime brings this module; outside it makes belts testable.

import { context } from "./context.js";

export { FetchError, Response, fetchSync } from "./http.js";
export { metrics } from "./metrics.js";

/** Thrown by a belt to get the same event again later; any other exception makes the event a dead letter. */
export class RetryException extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The framework refuses an update. No update of that event is emitted; the event becomes a dead letter. */
export class UpdateError extends Error {
  constructor(message, made) {
    super(message);
    this.name = new.target.name;
    // Where the update was made is what its author wants to see.
    if (made) this.stack = made;
  }
}

/** The target is not among the belt's `outputTypes`. */
export class UndeclaredOutput extends UpdateError {}

/** The target is declared, but takes another kind of update. */
export class WrongOutputKind extends UpdateError {}

/** The value of a `DirectUpdate` carries no usable `id`. */
export class MissingId extends UpdateError {}

/** A part of the update is absent or of the wrong type. */
export class InvalidUpdate extends UpdateError {}

/** A row of a live segment; it replaces the row with the same `id`. */
export class DirectUpdate {
  constructor(outputTypeName, value) {
    this.outputTypeName = outputTypeName;
    this.value = value;
    // An update is checked when it is returned. Only those that look wrong pay for knowing where they were made.
    const declared = context.liveSegments;
    if (declared === null) return;
    const isLiveSegment = outputTypeName === context.lastLiveSegment || declared.has(outputTypeName);
    if (!(isLiveSegment && typeof value === "object" && value !== null && "id" in value)) {
      Object.defineProperty(this, "made", { value: new Error().stack });
    }
  }
}

/** An event of another event type, a declared output of kind `data_in`, so that belts can be chained. */
export class GrnryEventUpdate {
  constructor(outputTypeName, correlationId, eventId = null, timestamp = null, headers = null) {
    this.outputTypeName = outputTypeName;
    this.correlationId = correlationId;
    this.eventId = eventId;
    this.timestamp = timestamp;
    this.headers = headers;
    this.value = null;
    if (context.outputs !== null) Object.defineProperty(this, "made", { value: new Error().stack });
  }

  /** Sets the payload, an object. Mandatory. */
  setValue(payload) {
    this.value = payload;
    return this;
  }
}

/** Sends `value` (text, bytes, or an object that becomes JSON text) to the belt's destination topic. Deprecated. */
export class GenericUpdate {
  constructor(id, value, headers = null) {
    this.id = id;
    this.value = value;
    this.headers = headers;
  }
}

export const SET_OPERATION = "_set";
export const SET_IF_NOT_EXIST_OPERATION = "_set_if_not_exist";
export const SET_WITH_HISTORY_OPERATION = "_set_with_history";
export const SET_WITH_HISTORY_DISTINCT_OPERATION = "_set_with_history_distinct";
export const SET_MAX_OPERATION = "_set_max";
export const SET_MIN_OPERATION = "_set_min";
export const SET_MAX_WITH_HISTORY_OPERATION = "_set_max_with_history";
export const SET_MIN_WITH_HISTORY_OPERATION = "_set_min_with_history";
export const DELETE_OPERATION = "_delete";
export const DELETE_WITH_HISTORY_OPERATION = "_delete_with_history";
export const INC_OPERATION = "_inc";
export const ARRAY_APPEND_OPERATION = "_array_append";
export const ARRAY_APPEND_WITH_HISTORY_OPERATION = "_array_append_with_history";
export const ARRAY_PUT_OPERATION = "_array_put";
export const ARRAY_PUT_WITH_HISTORY_OPERATION = "_array_put_with_history";
export const ARRAY_PUT_WITH_HISTORY_DISTINCT_OPERATION = "_array_put_with_history_distinct";
export const ARRAY_REMOVE_OPERATION = "_array_remove";
export const ARRAY_REMOVE_WITH_HISTORY_OPERATION = "_array_remove_with_history";
export const SET_TTL_OPERATION = "_set_ttl";
export const SET_TTN_OPERATION = "_set_ttn";
export const PROFILE_LINK_OPERATION = "_profile_link";

const DEFAULT_PROFILE_TYPE = "_d";
/** Stands for "never". */
const DEFAULT_DURATION = "P100Y";
const DEFAULT_READER = "_auth";
/** Times below this are taken for seconds (it is 1973 in milliseconds and the year 5138 in seconds). */
const SECONDS_BELOW = 1e11;

/** Milliseconds since the epoch, from seconds or milliseconds. */
export function toMillis(moment) {
  return Math.trunc(moment < SECONDS_BELOW ? moment * 1000 : moment);
}

/** A change of one grain of one profile. Setters return the update, so that they chain. */
export class Update {
  #id;
  #path;
  #operation;
  #schema = null;
  #type = DEFAULT_PROFILE_TYPE;
  #value = null;

  constructor(id, path, operation = SET_OPERATION) {
    if (!Array.isArray(path)) throw new TypeError(`Update: path must be a list of texts, got ${typeof path}`);
    if (path.length === 0) throw new RangeError("Update: path must have at least one element");
    this.#id = id;
    this.#path = [...path];
    this.#operation = operation;
  }

  /** Sets the value and what is known about it. Mandatory. */
  setValue(value, about = {}) {
    const { certainty, inserted, ttl, ttn, origin, reader } = about;
    this.#value = {
      _v: value,
      _c: certainty ?? 1.0,
      _in: toMillis(inserted ?? Date.now()),
      _ttl: ttl ?? DEFAULT_DURATION,
      _ttn: ttn ?? DEFAULT_DURATION,
      _origin: origin ?? `/belts/${context.beltId ?? "local"}`,
      _reader: reader ?? DEFAULT_READER,
    };
    return this;
  }

  /** Sets the profile type; `_d` otherwise. */
  setType(profileType) {
    this.#type = profileType;
    return this;
  }

  /** Sets the operation; `_set` otherwise. */
  setOperation(operation) {
    this.#operation = operation;
    return this;
  }

  /** Sets the schema; none otherwise. */
  setSchema(schema) {
    this.#schema = schema;
    return this;
  }

  /** The correlation id of the profile. */
  getId() {
    return this.#id;
  }

  /** The message of this update. */
  update() {
    if (this.#value === null) {
      throw new InvalidUpdate("Update: setValue(...) must be called before the update is emitted");
    }
    return {
      _schema: this.#schema,
      _operation: this.#operation,
      _id: this.#id,
      _path: this.#path,
      _value: this.#value,
      _profile_type: this.#type,
    };
  }
}

/** The variables of the belt's `extraEnv`; those of the process outside the engine. */
export const env = globalThis.process?.env ?? {};
