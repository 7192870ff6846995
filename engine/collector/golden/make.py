#!/usr/bin/env python3
"""Writes the golden records: what an independent Thrift library makes of the fields in cases.json.

    python3 -m venv /tmp/thrift && /tmp/thrift/bin/pip install thrift==0.25.0
    /tmp/thrift/bin/python engine/collector/golden/make.py           writes *.thrift
    /tmp/thrift/bin/python engine/collector/golden/make.py --check   reads them back and compares

The tests make a record of each request in cases.json and compare it with the file byte by byte.
"""

import base64
import json
import pathlib
import sys

from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.Thrift import TType
from thrift.transport.TTransport import TMemoryBuffer

HERE = pathlib.Path(__file__).parent
SCHEMA = "iglu:com.snowplowanalytics.snowplow/CollectorPayload/thrift/1-0-0"

# In the order in which generated code writes them.
FIELDS = [
    ("ipAddress", 100, TType.STRING),
    ("timestamp", 200, TType.I64),
    ("encoding", 210, TType.STRING),
    ("collector", 220, TType.STRING),
    ("userAgent", 300, TType.STRING),
    ("refererUri", 310, TType.STRING),
    ("path", 320, TType.STRING),
    ("querystring", 330, TType.STRING),
    ("body", 340, TType.STRING),
    ("headers", 350, TType.LIST),
    ("contentType", 360, TType.STRING),
    ("hostname", 400, TType.STRING),
    ("networkUserId", 410, TType.STRING),
    ("schema", 31337, TType.STRING),
]


def expected(case):
    """All fields of a case as bytes, numbers and lists."""
    fields = {"encoding": "UTF-8", "collector": "golden-1", "schema": SCHEMA, **case["record"]}
    if "body_base64" in case:
        fields["body"] = base64.b64decode(case["body_base64"])
    out = {}
    for name, value in fields.items():
        if isinstance(value, list):
            value = [item.encode() for item in value]
        elif isinstance(value, str):
            value = value.encode()
        out[name] = value
    return out


def write(fields):
    buffer = TMemoryBuffer()
    protocol = TBinaryProtocol(buffer)
    protocol.writeStructBegin("CollectorPayload")
    for name, number, kind in FIELDS:
        if name not in fields:
            continue
        value = fields[name]
        protocol.writeFieldBegin(name, kind, number)
        if kind == TType.I64:
            protocol.writeI64(value)
        elif kind == TType.LIST:
            protocol.writeListBegin(TType.STRING, len(value))
            for item in value:
                protocol.writeBinary(item)
            protocol.writeListEnd()
        else:
            protocol.writeBinary(value)
        protocol.writeFieldEnd()
    protocol.writeFieldStop()
    protocol.writeStructEnd()
    return buffer.getvalue()


def read(data):
    names = {number: name for name, number, _ in FIELDS}
    buffer = TMemoryBuffer(data)
    protocol = TBinaryProtocol(buffer)
    out = {}
    protocol.readStructBegin()
    while True:
        _, kind, number = protocol.readFieldBegin()
        if kind == TType.STOP:
            break
        if kind == TType.I64:
            value = protocol.readI64()
        elif kind == TType.LIST:
            _, count = protocol.readListBegin()
            value = [protocol.readBinary() for _ in range(count)]
            protocol.readListEnd()
        else:
            value = protocol.readBinary()
        out[names[number]] = value
        protocol.readFieldEnd()
    protocol.readStructEnd()
    assert not buffer.read(1), "bytes follow the record"
    return out


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit(f"unknown arguments {sys.argv[1:]}, expected none or --check")
    cases = json.loads((HERE / "cases.json").read_text())
    for case in cases:
        path = HERE / f"{case['name']}.thrift"
        if check:
            found = read(path.read_bytes())
            if found != expected(case):
                sys.exit(f"{path.name}: expected {expected(case)}, found {found}")
        else:
            path.write_bytes(write(expected(case)))
    known = {case["name"] for case in cases}
    for path in HERE.glob("*.thrift"):
        if path.stem not in known:
            sys.exit(f"{path.name} belongs to no case: remove it or add the case to cases.json")
    print(f"{len(cases)} records {'are right' if check else 'written'}")


if __name__ == "__main__":
    main()
