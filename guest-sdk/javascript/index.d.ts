/** Headers of an event, such as `grnry-correlation-id`. */
export type Headers = Record<string, string>;

/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What `execute` may answer: updates, a single one, or nothing. */
export type Updates = AnyUpdate[] | AnyUpdate | null | undefined | void;
export type AnyUpdate = DirectUpdate | GrnryEventUpdate | GenericUpdate | Update;

/**
 * The function that a belt exports. Called for every event, in the order of its partition; the payload is parsed JSON,
 * or a `Uint8Array` where it is none. The profile is given only with a `fetchProfile` that prefetches it.
 */
export type Execute<Payload = any> = (headers: Headers, payload: Payload, profile?: unknown) => Updates;

/**
 * The same function for sessions: headers and payloads of all events of the session, in two lists of the same length. A
 * payload is JSON text, not parsed. A belt that gets both tells them apart by `Array.isArray(headers)`.
 */
export type ExecuteSession = (headers: Headers[], payload: string[], profile?: unknown) => Updates;

/** Thrown by a belt to get the same event again later; any other exception makes the event a dead letter. */
export class RetryException extends Error {}

/** The framework refuses an update. No update of that event is emitted; the event becomes a dead letter. */
export class UpdateError extends Error {}
/** The target is not among the belt's `outputTypes`. */
export class UndeclaredOutput extends UpdateError {}
/** The target is declared, but takes another kind of update. */
export class WrongOutputKind extends UpdateError {}
/** The value of a `DirectUpdate` carries no usable `id`. */
export class MissingId extends UpdateError {}
/** A part of the update is absent or of the wrong type. */
export class InvalidUpdate extends UpdateError {}

/** A row of a live segment; it replaces the row with the same `id`, a text or an integer. */
export class DirectUpdate {
  constructor(outputTypeName: string, value: { id: string | number; [key: string]: unknown });
  outputTypeName: string;
  value: Record<string, unknown>;
}

/**
 * An event of another event type, a declared output of kind `data_in`. Event id, timestamp (seconds or milliseconds
 * since the epoch) and headers are those of the incoming event where they are not given; several events for one
 * incoming event need distinct event ids. Of a session they are the session's own, and the new event is a single one.
 */
export class GrnryEventUpdate {
  constructor(
    outputTypeName: string,
    correlationId: string | number,
    eventId?: string | number | null,
    timestamp?: number | string | null,
    headers?: Record<string, string | number> | null,
  );
  outputTypeName: string;
  correlationId: string | number;
  eventId: string | number | null;
  timestamp: number | string | null;
  headers: Record<string, string | number> | null;
  value: Record<string, unknown> | null;
  /** Sets the payload. Mandatory. */
  setValue(payload: Record<string, unknown>): this;
}

/**
 * A raw message to the belt's destination topic; only for belts without `outputTypes`.
 * @deprecated declare outputs instead
 */
export class GenericUpdate {
  constructor(
    id: string | number,
    value: string | Uint8Array | Record<string, unknown> | unknown[],
    headers?: Record<string, string | number> | null,
  );
  id: string | number;
  value: unknown;
  headers: Record<string, string | number> | null;
}

/** What is known about the value of an `Update`. */
export interface About {
  /** Certainty from 0 to 1; 1 when left out. */
  certainty?: number;
  /** Time of insertion in seconds or milliseconds since the epoch; now when left out. */
  inserted?: number;
  /** Time to live, an ISO 8601 duration; `P100Y` when left out. */
  ttl?: string;
  /** Time to notify, an ISO 8601 duration; `P100Y` when left out. */
  ttn?: string;
  /** Who says so; `/belts/<id>` when left out. */
  origin?: string;
  /** Role that may read the grain; `_auth` when left out. */
  reader?: string;
}

/** A change of one grain of one profile. Setters return the update, so that they chain. */
export class Update {
  constructor(id: string, path: string[], operation?: string);
  /** Sets the value (a text, a list of texts, or the counter text `initial|step|steps`). Mandatory. */
  setValue(value: string | string[], about?: About): this;
  /** Sets the profile type; `_d` otherwise. */
  setType(profileType: string): this;
  /** Sets the operation; `_set` otherwise. */
  setOperation(operation: string): this;
  /** Sets the schema; none otherwise. */
  setSchema(schema: string | null): this;
  /** The correlation id of the profile. */
  getId(): string;
  /** The message of this update. */
  update(): Record<string, unknown>;
}

export const SET_OPERATION: "_set";
export const SET_IF_NOT_EXIST_OPERATION: "_set_if_not_exist";
export const SET_WITH_HISTORY_OPERATION: "_set_with_history";
export const SET_WITH_HISTORY_DISTINCT_OPERATION: "_set_with_history_distinct";
export const SET_MAX_OPERATION: "_set_max";
export const SET_MIN_OPERATION: "_set_min";
export const SET_MAX_WITH_HISTORY_OPERATION: "_set_max_with_history";
export const SET_MIN_WITH_HISTORY_OPERATION: "_set_min_with_history";
export const DELETE_OPERATION: "_delete";
export const DELETE_WITH_HISTORY_OPERATION: "_delete_with_history";
export const INC_OPERATION: "_inc";
export const ARRAY_APPEND_OPERATION: "_array_append";
export const ARRAY_APPEND_WITH_HISTORY_OPERATION: "_array_append_with_history";
export const ARRAY_PUT_OPERATION: "_array_put";
export const ARRAY_PUT_WITH_HISTORY_OPERATION: "_array_put_with_history";
export const ARRAY_PUT_WITH_HISTORY_DISTINCT_OPERATION: "_array_put_with_history_distinct";
export const ARRAY_REMOVE_OPERATION: "_array_remove";
export const ARRAY_REMOVE_WITH_HISTORY_OPERATION: "_array_remove_with_history";
export const SET_TTL_OPERATION: "_set_ttl";
export const SET_TTN_OPERATION: "_set_ttn";
export const PROFILE_LINK_OPERATION: "_profile_link";

/** Milliseconds since the epoch, from seconds or milliseconds. */
export function toMillis(moment: number): number;

/** The variables of the belt's `extraEnv`. */
export const env: Record<string, string | undefined>;

/** What `fetchSync` sends. */
export interface FetchOptions {
  /** `GET` otherwise. */
  method?: string;
  headers?: Record<string, string> | Iterable<[string, string]>;
  body?: string | Uint8Array;
  /** The most milliseconds until the whole response is there; the deadline of the call otherwise. */
  timeout?: number;
}

/** A whole response. */
export class Response {
  readonly url: string;
  readonly status: number;
  /** Whether the status is 2xx. */
  readonly ok: boolean;
  /** Values by name in lower case. */
  readonly headers: Map<string, string>;
  readonly body: Uint8Array;
  text(): string;
  json(): any;
}

/** There is no response. */
export class FetchError extends Error {
  readonly code: "not-granted" | "invalid-request" | "failed" | "timed-out" | "too-large";
}

/**
 * Sends a request to a host of the belt's `outboundHosts` and waits for the whole response. Redirects are not followed:
 * a 3xx is the answer.
 */
export function fetchSync(url: string | URL, options?: FetchOptions): Response;

/** Labels of a figure. */
export type Labels = Record<string, string | number | boolean>;

/**
 * Figures of the belt's own: in the engine's `/metrics` as `granary_belt_user_<name>` with the labels `project` and
 * `belt`; outside the engine nothing happens. A belt has at most 100 series.
 */
export const metrics: {
  /** Adds to a counter, a whole number from 0. */
  increment(name: string, by?: number, labels?: Labels): void;
  /** Sets a gauge. */
  gauge(name: string, value: number, labels?: Labels): void;
  /** Adds a value to a histogram. */
  observe(name: string, value: number, labels?: Labels): void;
};
