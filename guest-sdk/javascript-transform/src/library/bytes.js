// `payload`: bytes that helpers take, and that become a text wherever one is wanted.
(function (native, global) {
  'use strict';

  const { extend, text, length } = native;
  const prototype = native.bytesPrototype;

  // Sources of text gave the original a text, and scripts call its methods. Each is looked up when it is called, so that
  // those of strings.js are found as well.
  for (const name of Reflect.ownKeys(String.prototype)) {
    if (typeof name !== 'string' || name === 'constructor' || name === 'length') continue;
    extend(prototype, {
      [name](...values) {
        const whole = text(this);
        return whole[name](...values);
      },
    });
  }
  extend(prototype, {
    toString() {
      return text(this);
    },
    valueOf() {
      return text(this);
    },
    toJSON() {
      return text(this);
    },
    getBytes() {
      return this;
    },
  });
  Object.defineProperty(prototype, 'length', {
    get() {
      return length(this);
    },
    configurable: true,
  });
  Object.defineProperty(prototype, Symbol.toStringTag, { value: 'Bytes', configurable: true });

  const none = {};
  const headers = Object.create(none);
  extend(none, {
    get(name) {
      return Object.hasOwn(this, name) ? this[name] : null;
    },
    getOrDefault(name, otherwise) {
      return Object.hasOwn(this, name) ? this[name] : otherwise;
    },
    containsKey(name) {
      return Object.hasOwn(this, name);
    },
    keySet() {
      return Object.keys(this);
    },
    size() {
      return Object.keys(this).length;
    },
    isEmpty() {
      return Object.keys(this).length === 0;
    },
    toString() {
      return JSON.stringify(this);
    },
  });
  Object.defineProperty(global, 'headers', {
    get() {
      return native.headers(headers);
    },
    set(value) {
      native.setHeaders(value);
    },
    enumerable: true,
    configurable: false,
  });
});
