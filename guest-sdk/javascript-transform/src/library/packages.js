// Java's packages, as far as scripts may name them.
(function (native) {
  'use strict';

  const { publish } = native;
  const { DeletionEvent, Logger, SnowplowCollectorPayload, SnowplowPayloadExtractor, SnowplowSerDe, stdout } = native;

  /** `new java.lang.String(payload, 'UTF-8')` */
  function JavaString(value, charset) {
    if (charset !== undefined && !/^(utf-?8|us-ascii|iso-?8859-1|latin1)$/i.test(String(charset))) {
      throw new TypeError(`java.lang.String: expected the charset UTF-8, found ${charset}`);
    }
    const text = value === undefined ? '' : String(value);
    return new.target === undefined ? text : new String(text);
  }
  JavaString.valueOf = (value) => String(value);

  const System = { out: stdout, err: stdout, currentTimeMillis: () => Date.now() };

  const TREE = {
    io: {
      grnry: {
        scdfapps: {
          scriptable: {
            DeletionEvent,
            snowplow: { SnowplowSerDe, SnowplowPayloadExtractor, SnowplowCollectorPayload },
          },
        },
      },
    },
    java: { lang: { String: JavaString, System }, util: { logging: { Logger } } },
  };

  const isPackage = (value) => Object.getPrototypeOf(value) === Object.prototype && value !== System && value !== SnowplowSerDe && value !== SnowplowPayloadExtractor;

  /** An object of the names in a package that says which there are when it is asked for another. */
  const furnished = (names, path) => {
    const inner = {};
    for (const name of Object.keys(names)) {
      inner[name] = isPackage(names[name]) ? furnished(names[name], `${path}.${name}`) : names[name];
    }
    const missing = new Proxy(Object.prototype, {
      get(target, name, receiver) {
        if (typeof name === 'symbol' || name in target) return Reflect.get(target, name, receiver);
        throw new ReferenceError(`${path}.${name} is not known to a transform; ${path} has ${Object.keys(names).join(', ')}`);
      },
    });
    return Object.freeze(Object.setPrototypeOf(inner, missing));
  };
  const Packages = furnished(TREE, 'Packages');
  publish('Packages', Packages);
  publish('java', Packages.java);

  // The same by the ways of Nashorn and Rhino.
  publish('Java', {
    type(name) {
      return String(name).split('.').reduce((place, part) => place[part], Packages);
    },
    from(list) {
      return Array.from(list);
    },
    to(array) {
      return native.list([...array]);
    },
  });
  // The classes are globals already.
  publish('importClass', () => {});
  publish('importPackage', () => {});
});
