// The helper classes for records of the collector.
(function (native) {
  'use strict';

  const { extend, field, fields, isBytes, kind, publish } = native;
  const { parse, stringify } = JSON;
  const { isArray } = Array;
  const { defineProperty, hasOwn, keys } = Object;
  const prototype = native.collectorPrototype;
  const capital = (name) => name[0].toUpperCase() + name.slice(1);

  // The normalised form nests at most this deep, so that any reader can take it; what lies deeper stays a text.
  const DEPTH_MAX = 100;

  class TException extends Error {}
  defineProperty(TException.prototype, 'name', { value: 'TException', configurable: true });

  function SnowplowCollectorPayload() {
    throw new TypeError('SnowplowCollectorPayload: expected a call of SnowplowSerDe.deserialize(payload), which makes one');
  }
  SnowplowCollectorPayload.prototype = prototype;
  defineProperty(prototype, 'constructor', { value: SnowplowCollectorPayload, writable: true, configurable: true });

  // A property, a getter, a setter and the question whether it is there, for each field. One that is set becomes a
  // property of the object itself.
  fields.forEach((name, number) => {
    defineProperty(prototype, name, {
      get() {
        const value = field(this, number);
        return isArray(value) ? native.list(value) : value;
      },
      set(value) {
        defineProperty(this, name, { value, writable: true, configurable: true, enumerable: true });
      },
      configurable: true,
    });
    extend(prototype, {
      [`get${capital(name)}`]() {
        return this[name];
      },
      [`set${capital(name)}`](value) {
        this[name] = value;
        return this;
      },
      [`isSet${capital(name)}`]() {
        return this[name] !== null && this[name] !== undefined;
      },
    });
  });
  extend(prototype, {
    getHeadersSize() {
      return this.headers === null ? 0 : this.headers.length;
    },
    getHeadersIterator() {
      return this.headers === null ? null : this.headers.iterator();
    },
    /** The flat form: fields, flags, two that are derived. */
    toJSON() {
      const form = {};
      for (const name of fields) form[name] = this[name];
      for (const name of fields) form[`set${capital(name)}`] = form[name] !== null && form[name] !== undefined;
      form.headersSize = form.headers ? form.headers.length : 0;
      form.headersIterator = form.headers;
      return form;
    },
    toString() {
      return stringify(this);
    },
  });

  const SnowplowSerDe = {
    deserialize(payload) {
      const bytes = typeof payload === 'string' || payload instanceof String ? native.bytes(String(payload)) : payload;
      if (!isBytes(bytes)) {
        throw new TypeError(
          `SnowplowSerDe.deserialize() expects the bytes of a record, as in deserialize(payload), found ${kind(payload)}`,
        );
      }
      const record = native.read(bytes);
      if (typeof record === 'string') throw new TException(record);
      return record;
    },
    toJSON(value) {
      if (value instanceof native.DeletionEvent) return value.toJSON();
      const text = stringify(value);
      return text === undefined ? 'null' : text;
    },
  };

  /** A JSON value that becomes its text where one is wanted: JSON.parse takes it. */
  const node = {};
  extend(node, {
    toString() {
      return stringify(this);
    },
    get(name) {
      return hasOwn(this, name) ? this[name] : null;
    },
    has(name) {
      return hasOwn(this, name);
    },
  });

  /** The JSON value that a text is; undefined where it is none, or would lie too deep. */
  const parsed = (text, level) => {
    try {
      const value = parse(text);
      return fits(value, DEPTH_MAX - level) ? value : undefined;
    } catch (error) {
      // The second is what the engine says of brackets without end.
      if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error;
      return undefined;
    }
  };

  /** Whether a value has no more than so many levels. */
  const fits = (value, levels) => {
    if (typeof value !== 'object' || value === null) return true;
    if (levels <= 0) return false;
    for (const key of keys(value)) {
      if (!fits(value[key], levels - 1)) return false;
    }
    return true;
  };

  /** Texts that are JSON objects or arrays become such, in place. */
  const opened = (value, level) => {
    if (typeof value === 'string') {
      const start = value.trimStart()[0];
      if (start !== '{' && start !== '[') return value;
      const inner = parsed(value, level);
      return inner === undefined ? value : opened(inner, level);
    }
    if (typeof value !== 'object' || value === null) return value;
    for (const key of keys(value)) {
      const inner = value[key];
      if (typeof inner === 'string' || typeof inner === 'object') value[key] = opened(inner, level + 1);
    }
    return value;
  };

  const normalized = (value) => {
    if (value === null || value === undefined) {
      throw new TypeError(`expected the JSON of a record, as SnowplowSerDe.toJSON(..) answers it, found ${kind(value)}`);
    }
    // A copy of the script's own objects: theirs stay as they are.
    const whole = parse(typeof value === 'object' && !isBytes(value) && !(value instanceof String) ? stringify(value) : String(value));
    if (typeof whole !== 'object' || whole === null || isArray(whole)) return whole;
    if (hasOwn(whole, 'body')) whole.body = opened(body(whole.body), 1);
    return whole;
  };

  /** The body as a value, where it is JSON of any kind. */
  const body = (text) => {
    const value = typeof text === 'string' ? parsed(text, 1) : undefined;
    return value === undefined ? text : value;
  };

  const decoded = (text) => {
    const spaced = text.replace(/\+/g, ' ');
    try {
      return decodeURIComponent(spaced);
    } catch {
      return spaced;
    }
  };

  /** A list of values for each name of a query. */
  const parameters = (query) => {
    const all = Object.create(null);
    for (const pair of query.replace(/^\?/, '').split('&')) {
      if (pair === '') continue;
      const at = pair.indexOf('=');
      const name = decoded(at < 0 ? pair : pair.slice(0, at));
      (all[name] ??= []).push(at < 0 ? '' : decoded(pair.slice(at + 1)));
    }
    return all;
  };

  const SnowplowPayloadExtractor = {
    normalizeJson(value) {
      const whole = normalized(value);
      return typeof whole === 'object' && whole !== null && !isArray(whole) ? Object.setPrototypeOf(whole, node) : whole;
    },
    getActualSnowplowPayload(value) {
      const whole = normalized(value);
      if (typeof whole === 'object' && whole !== null && typeof whole.querystring === 'string' && whole.querystring !== '') {
        whole.queryParameters = parameters(whole.querystring);
      }
      return stringify(whole);
    },
  };

  Object.assign(native, { SnowplowCollectorPayload, SnowplowSerDe, SnowplowPayloadExtractor });
  publish('SnowplowCollectorPayload', SnowplowCollectorPayload);
  publish('SnowplowSerDe', SnowplowSerDe);
  publish('SnowplowPayloadExtractor', SnowplowPayloadExtractor);
});
