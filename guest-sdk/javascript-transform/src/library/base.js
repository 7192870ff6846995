// What the other files use, taken before a script can change it.
(function (native, global) {
  'use strict';

  const { defineProperty, freeze } = Object;
  const { stringify } = JSON;

  /** Adds methods that loops over properties do not see, and that a script may replace. */
  native.extend = (target, methods) => {
    for (const name of Reflect.ownKeys(methods)) {
      defineProperty(target, name, { value: methods[name], writable: true, configurable: true, enumerable: false });
    }
  };

  /** A global name of ours. */
  native.publish = (name, value) => {
    defineProperty(global, name, { value, writable: true, configurable: true, enumerable: false });
  };

  /** What a value is, for messages. */
  native.kind = (value) => {
    if (value === null) return 'null';
    if (typeof value !== 'object') return typeof value === 'undefined' ? 'undefined' : `a ${typeof value}`;
    return Array.isArray(value) ? 'an array' : 'an object';
  };

  /** Class, message and trace of what was thrown; none of it can be trusted. */
  native.describe = (thrown) => {
    const text = (read) => {
      try {
        const value = read();
        return typeof value === 'string' ? value : value === undefined || value === null ? '' : `${value}`;
      } catch {
        return '';
      }
    };
    if (!native.isError(thrown)) {
      const json = typeof thrown === 'object' && thrown !== null ? text(() => stringify(thrown)) : '';
      return ['Error', json || text(() => thrown) || text(() => String(thrown)), ''];
    }
    let name = text(() => thrown.name);
    if (name === '' || name === 'Error') name = text(() => thrown.constructor.name) || 'Error';
    return [name, text(() => thrown.message), text(() => thrown.stack)];
  };

  // A record cannot take these away from the next one. Prototypes stay open: whoever changes them changes their own script.
  for (const namespace of [JSON, Math, Reflect]) freeze(namespace);
  for (const name of ['Object', 'Array', 'String', 'Number', 'Boolean', 'Symbol', 'Date', 'RegExp', 'Map', 'Set', 'Promise']) {
    freeze(global[name]);
  }
});
