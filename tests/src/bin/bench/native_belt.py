"""The baseline of python_belt_vs_native: the same callback and classes under the CPython that runs this file.

    native_belt.py <callback file> <file of payloads, one JSON text a line> <seconds>

From the stored bytes of a payload to the bytes of the updates, over and over. Prints the version of Python and events
per second. The headers are there as a dict already, which the engine has to make: that is in favour of this side.
"""

import importlib.util
import json
import platform
import sys
import time


def load(path):
    spec = importlib.util.spec_from_file_location('callback', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.execute


def run(execute, events, seconds):
    done = 0
    begun = time.perf_counter()
    until = begun + seconds
    while time.perf_counter() < until:
        for headers, payload in events:
            for update in execute(headers, json.loads(payload)):
                json.dumps(update.value).encode()
        done += len(events)
    return done / (time.perf_counter() - begun)


def main():
    execute = load(sys.argv[1])
    with open(sys.argv[2], 'rb') as lines:
        payloads = lines.read().splitlines()
    events = [
        (
            {
                'grnry-event-type': 'livesegment-datain',
                'grnry-event-type-version': '1',
                'grnry-event-id': '0a0b0c0d-0000-4000-8000-%012d' % n,
                'grnry-correlation-id': '0a0b0c0d-0000-4000-9000-%012d' % n,
                'grnry-harvester-name': 'harvesterforlivesegm',
                'grnry-event-timestamp': '1700000000000',
            },
            payload,
        )
        for n, payload in enumerate(payloads)
    ]
    print(platform.python_version(), run(execute, events, float(sys.argv[3])))


main()
