// Java's methods of text, where JavaScript has none of the name: scripts of the original call them on whatever
// JSON.parse gave them.
(function (native) {
  'use strict';

  const whole = new Map();
  /** The expression for the whole text, as Java's `matches` means it. */
  const anchored = (expression) => {
    let found = whole.get(expression);
    if (found === undefined) {
      found = new RegExp(`^(?:${expression})$`);
      if (whole.size < 100) whole.set(expression, found);
    }
    return found;
  };
  const isText = (value) => typeof value === 'string' || value instanceof String || native.isBytes(value);

  const methods = {
    equals(other) {
      return isText(other) && String(other) === String(this);
    },
    equalsIgnoreCase(other) {
      return isText(other) && String(other).toLowerCase() === String(this).toLowerCase();
    },
    compareTo(other) {
      const [one, two] = [String(this), String(other)];
      const shorter = Math.min(one.length, two.length);
      for (let at = 0; at < shorter; at += 1) {
        const difference = one.charCodeAt(at) - two.charCodeAt(at);
        if (difference !== 0) return difference;
      }
      return one.length - two.length;
    },
    compareToIgnoreCase(other) {
      return String(this).toLowerCase().compareTo(String(other).toLowerCase());
    },
    contains(part) {
      return String(this).includes(String(part));
    },
    contentEquals(other) {
      return String(this) === String(other);
    },
    isEmpty() {
      return String(this).length === 0;
    },
    isBlank() {
      return String(this).trim().length === 0;
    },
    strip() {
      return String(this).trim();
    },
    matches(expression) {
      return anchored(String(expression)).test(String(this));
    },
    replaceFirst(expression, replacement) {
      return String(this).replace(new RegExp(expression), replacement);
    },
    getBytes() {
      return native.bytes(String(this));
    },
    toCharArray() {
      return String(this).split('');
    },
    hashCode() {
      const value = String(this);
      let hash = 0;
      for (let at = 0; at < value.length; at += 1) hash = (Math.imul(hash, 31) + value.charCodeAt(at)) | 0;
      return hash;
    },
    intern() {
      return String(this);
    },
    subSequence(start, end) {
      return String(this).substring(start, end);
    },
  };
  const missing = {};
  for (const name of Object.keys(methods)) {
    if (!(name in String.prototype)) missing[name] = methods[name];
  }
  native.extend(String.prototype, missing);
  for (const name of Object.keys(methods)) {
    if (name in native.bytesPrototype) continue;
    native.extend(native.bytesPrototype, {
      [name](...values) {
        return native.text(this)[name](...values);
      },
    });
  }

  // The same for values that were numbers and booleans in Java's JSON.
  native.extend(Number.prototype, {
    equals(other) {
      return Number(this) === other;
    },
    intValue() {
      return Math.trunc(Number(this));
    },
    longValue() {
      return Math.trunc(Number(this));
    },
    doubleValue() {
      return Number(this);
    },
  });
  native.extend(Boolean.prototype, {
    equals(other) {
      return Boolean(this.valueOf()) === other;
    },
    booleanValue() {
      return Boolean(this.valueOf());
    },
  });
});
