// `DeletionEvent`: what a script answers to have stored events deleted.
(function (native) {
  'use strict';

  const { stringify } = JSON;
  const given = (id) => id !== undefined && id !== null;

  class DeletionEvent {
    constructor(correlationId, eventId) {
      this.correlationId = correlationId;
      this.eventId = given(eventId) ? eventId : null;
    }
    getCorrelationId() {
      return this.correlationId;
    }
    getEventId() {
      return this.eventId;
    }
    setCorrelationId(id) {
      this.correlationId = id;
    }
    setEventId(id) {
      this.eventId = id;
    }
    /** JSON text. Where it turns up in the result it stands for the deletion. */
    toJSON() {
      const both = ids(this);
      const [correlationId, eventId] = both;
      const text = both.length === 1 ? stringify({ correlationId }) : stringify({ correlationId, eventId });
      native.written(text, ...both);
      return text;
    }
    toString() {
      return this.toJSON();
    }
  }

  /** The ids as texts; there is no second where all events are meant. */
  const ids = (deletion) => {
    const { correlationId, eventId } = deletion;
    if (!given(correlationId) || String(correlationId) === '') {
      throw new TypeError(
        `a DeletionEvent needs a correlation id, found ${correlationId === '' ? 'an empty text' : native.kind(correlationId)}; ` +
          'check it before the event is made',
      );
    }
    return given(eventId) ? [String(correlationId), String(eventId)] : [String(correlationId)];
  };

  native.deletionIds = ids;
  native.DeletionEvent = DeletionEvent;
  native.publish('DeletionEvent', DeletionEvent);
});
