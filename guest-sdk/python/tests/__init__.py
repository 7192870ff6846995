"""Tests of the guest side on the host's CPython: `python3 -m unittest discover -s guest-sdk/python/tests -t guest-sdk/python`."""

import sys
from pathlib import Path

_GUEST_SDK = Path(__file__).resolve().parents[2]
for _folder in (_GUEST_SDK / "python" / "src", _GUEST_SDK / "python-runtime"):
    sys.path.insert(0, str(_folder))
