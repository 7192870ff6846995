// Ways to write to the log: the original had `print` and Java's loggers; `console` is what people expect.
(function (native) {
  'use strict';

  const { log, publish } = native;
  const { stringify } = JSON;
  const [DEBUG, INFO, WARNING, ERROR] = [0, 1, 2, 3];

  const shown = (value) => {
    if (typeof value === 'string') return value;
    if (native.isError(value)) return `${value}`;
    if (typeof value !== 'object' || value === null || native.isBytes(value)) return String(value);
    try {
      return stringify(value) ?? String(value);
    } catch {
      return Object.prototype.toString.call(value);
    }
  };
  const line = (values) => values.map(shown).join(' ');
  const writer = (level, logger) => (...values) => log(level, logger, line(values));

  publish('console', {
    log: writer(INFO, 'console'),
    info: writer(INFO, 'console'),
    warn: writer(WARNING, 'console'),
    error: writer(ERROR, 'console'),
    debug: writer(DEBUG, 'console'),
    trace: writer(DEBUG, 'console'),
  });
  const print = writer(INFO, '');
  publish('print', print);
  publish('println', print);
  native.stdout = { print, println: print };

  class Logger {
    #name;
    constructor(name) {
      this.#name = String(name);
    }
    static getLogger(name) {
      return new Logger(name);
    }
    static getGlobal() {
      return new Logger('global');
    }
    getName() {
      return this.#name;
    }
    #write(level, values) {
      log(level, this.#name, line(values));
    }
    severe(...values) {
      this.#write(ERROR, values);
    }
    warning(...values) {
      this.#write(WARNING, values);
    }
    info(...values) {
      this.#write(INFO, values);
    }
    config(...values) {
      this.#write(INFO, values);
    }
    fine(...values) {
      this.#write(DEBUG, values);
    }
    finer(...values) {
      this.#write(DEBUG, values);
    }
    finest(...values) {
      this.#write(DEBUG, values);
    }
    log(level, ...values) {
      const number = { SEVERE: ERROR, WARNING, INFO, CONFIG: INFO }[String(level)] ?? DEBUG;
      this.#write(number, values);
    }
  }
  native.Logger = Logger;
});
