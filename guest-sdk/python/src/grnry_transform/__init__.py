"""Helpers of Python transforms. The engine binds these names without an import; importing them works as well."""

from grnry_transform.deletion import DeletionEvent
from grnry_transform.snowplow import SnowplowPayloadExtractor, SnowplowSerDe
from grnry_transform.thrift import SnowplowCollectorPayload

__all__ = ["DeletionEvent", "SnowplowCollectorPayload", "SnowplowPayloadExtractor", "SnowplowSerDe"]
