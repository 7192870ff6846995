// Lists that Java gave: arrays that answer to the methods of java.util.List as well.
(function (native) {
  'use strict';

  class List extends Array {
    static get [Symbol.species]() {
      return Array;
    }
  }
  native.extend(List.prototype, {
    get(at) {
      if (!(at >= 0 && at < this.length)) throw new RangeError(`the list has ${this.length} items, found the index ${at}`);
      return this[at];
    },
    size() {
      return this.length;
    },
    isEmpty() {
      return this.length === 0;
    },
    contains(item) {
      return this.includes(item);
    },
    add(item) {
      this.push(item);
      return true;
    },
    iterator() {
      let at = 0;
      return { hasNext: () => at < this.length, next: () => this[at++] };
    },
    toArray() {
      return [...this];
    },
  });
  /** The array as such a list. */
  native.list = (array) => Object.setPrototypeOf(array, List.prototype);
});
