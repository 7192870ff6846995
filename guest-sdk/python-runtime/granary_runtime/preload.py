"""Modules that stand ready in every instance, because belts import them and each costs an instance time otherwise."""

from __future__ import annotations

import importlib

_NAMES = """
_strptime base64 binascii bisect calendar collections collections.abc contextlib copy csv dataclasses datetime decimal
difflib enum fractions functools hashlib heapq hmac html io ipaddress itertools json logging math operator os random re
secrets socket statistics string struct subprocess sys textwrap threading time traceback typing unicodedata
urllib.parse urllib.request uuid warnings zlib
encodings.ascii encodings.cp1252 encodings.idna encodings.latin_1 encodings.utf_16 encodings.utf_8_sig
isodate requests
grnry_belt.exceptions.exception grnry_belt.models.direct_update grnry_belt.models.generic_update
grnry_belt.models.grnry_event_update grnry_belt.models.update grnry_belt.repository.dbfactory grnry_belt.wire
grnry_transform
"""


def load() -> None:
    """Imports them."""
    for name in _NAMES.split():
        importlib.import_module(name)
