// From the value of a script to messages.
(function (native) {
  'use strict';

  const { anyWritten, deleteWritten, deletion, deletionIds, isBytes, isError, message } = native;
  const { parse, stringify } = JSON;
  const { isArray } = Array;
  const { DeletionEvent } = native;
  const EXPECTED = 'expected null, a text, an object, an array or a DeletionEvent';

  const refuse = (what) => {
    throw new TypeError(`the script answered ${what}; ${EXPECTED}`);
  };

  /** A text as one message. */
  const text = (value) => {
    if (value === '') refuse('an empty text, which is no payload: null skips the record');
    if (!(anyWritten() && written(value))) message(value);
  };

  /** A text in which deletions were written by `toJSON`: as the whole, or as items of an array. Whether it was one. */
  const written = (value) => {
    if (deleteWritten(value)) return true;
    if (value.trimStart()[0] !== '[') return false;
    let items;
    try {
      items = parse(value);
    } catch {
      // The host says what is wrong with it.
      return false;
    }
    for (const item of items) {
      if (typeof item !== 'string') message(stringify(item));
      else if (!deleteWritten(item)) message(isObjectText(item) ? item : stringify(item));
    }
    return true;
  };

  /** Next to `deletion.toJSON()` stands `SnowplowSerDe.toJSON(event)`. */
  const isObjectText = (item) => {
    if (item.trimStart()[0] !== '{') return false;
    try {
      parse(item);
      return true;
    } catch {
      return false;
    }
  };

  /** One value as one message. */
  const one = (value) => {
    switch (typeof value) {
      case 'undefined':
        return;
      case 'string':
        text(value);
        return;
      case 'boolean':
      case 'bigint':
        message(`${value}`);
        return;
      case 'number':
        if (!Number.isFinite(value)) refuse(`${value}, which JSON cannot write`);
        message(stringify(value));
        return;
      case 'function':
        refuse(`the function ${value.name || '(without a name)'}, which it should call`);
        return;
      case 'symbol':
        refuse('a symbol');
        return;
    }
    if (value === null) return;
    if (value instanceof DeletionEvent) {
      deletion(...deletionIds(value));
      return;
    }
    if (isBytes(value) || value instanceof String) {
      text(String(value));
      return;
    }
    if (isError(value)) refuse('an exception, which it should throw');
    if (value instanceof Promise) refuse('a promise that is never kept; there is nothing to wait for in a transform');
    if (value instanceof Map) value = Object.fromEntries(value);
    if (value instanceof Set) value = [...value];
    const json = stringify(value);
    if (json === undefined) refuse('an object that has no JSON');
    message(json);
  };

  native.answer = (value) => {
    if (!isArray(value)) return one(value);
    for (let at = 0; at < value.length; at += 1) one(value[at]);
  };
});
