"""The belt '@NAME@': every event becomes a row."""

import logging

from grnry_belt.models.direct_update import DirectUpdate

log = logging.getLogger('@NAME@')


def execute(event_headers, event_payload, profile=None):
    """Called for every event; answers a list of updates. An exception makes the event a dead letter."""
    row = {
        # The row with this id is replaced.
        'id': event_payload['email'],
        'name': '{firstName} {lastName}'.format(**event_payload),
    }
    log.info('%s signed up', row['name'])
    return [DirectUpdate('@NAME@', row)]
