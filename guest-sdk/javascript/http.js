// Requests to the hosts of the belt's `outboundHosts`. A belt's `execute` is not async, so this waits for the response.

// Taken before any script can replace them.
const { parse } = JSON;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

let send = () => {
  throw new FetchError("failed", "requests are sent inside the engine only");
};

/** Says how requests are sent. For the runtime. */
export function install(transport) {
  send = transport;
}

/** There is no response. `code` is `not-granted`, `invalid-request`, `failed`, `timed-out` or `too-large`. */
export class FetchError extends Error {
  constructor(code, message) {
    super(message);
    this.name = new.target.name;
    this.code = code;
  }
}

/** A whole response. */
export class Response {
  constructor(url, { status, headers, body }) {
    this.url = url;
    this.status = status;
    this.ok = status >= 200 && status < 300;
    /** Values by name in lower case; several of one name are joined by commas. */
    this.headers = new Map();
    for (const [name, value] of headers) {
      const key = name.toLowerCase();
      this.headers.set(key, this.headers.has(key) ? `${this.headers.get(key)}, ${value}` : value);
    }
    this.body = body;
  }

  /** The body as text. */
  text() {
    return decoder.decode(this.body);
  }

  /** The body as JSON. */
  json() {
    return parse(this.text());
  }
}

/** Sends a request and waits for the whole response. Redirects are not followed: a 3xx is the answer. */
export function fetchSync(url, { method = "GET", headers = {}, body = "", timeout } = {}) {
  const pairs = typeof headers[Symbol.iterator] === "function" ? [...headers] : Object.entries(headers);
  const bytes = body instanceof Uint8Array ? body : encoder.encode(String(body ?? ""));
  const answer = send({
    method: String(method).toUpperCase(),
    url: String(url),
    headers: pairs.map(([name, value]) => [String(name), String(value)]),
    body: bytes,
    timeoutMs: timeout === undefined ? undefined : Math.min(Math.max(Math.ceil(timeout), 1), 0xffffffff),
  });
  return new Response(String(url), answer);
}
