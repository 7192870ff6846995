"""A belt that does what its events ask for, so that tests can see what becomes of it: {"do": "raise"}."""

import os
import sys
import time

from grnry_belt.models.direct_update import DirectUpdate

OUTPUT = "livesegment-dataoutp"


def execute(headers, payload):
    what = payload["do"]
    value = {"id": "1"}
    if what == "ok":
        pass
    elif what == "recursion":
        down(1)
    elif what == "stack":
        sys.setrecursionlimit(10**9)
        down(1)
    elif what == "memory":
        hoard = []
        while True:
            hoard.append(bytearray(b"x") * (1 << 20))
    elif what == "loop":
        while True:
            pass
    elif what == "sleep":
        time.sleep(3600)
    elif what == "updates":
        return [DirectUpdate(OUTPUT, value)] * 5_000_000
    elif what == "line":
        print("x" * (100 << 20))
    elif what == "utf8-out":
        value["name"] = "\udcff"
    elif what == "deep-out":
        nested = []
        for _ in range(100_000):
            nested = [nested]
        value["v"] = nested
    elif what == "panic":
        raise ValueError("asked to fail")
    elif what == "trap":
        os.abort()
    else:
        raise ValueError(f"unknown: {what}")
    return [DirectUpdate(OUTPUT, value)]


def down(depth):
    return down(depth + 1) + depth
