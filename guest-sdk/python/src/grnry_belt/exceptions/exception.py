"""Exceptions of belts."""

from __future__ import annotations

from typing import Optional, Sequence


class RetryException(Exception):
    """Raised by a belt to get the same message again later; any other exception makes it a dead letter."""


class UpdateError(Exception):
    """The framework refuses an update. No update of that message is emitted; the message becomes a dead letter."""

    def __init__(self, message: str, sites: Optional[Sequence] = None) -> None:
        super().__init__(message)
        #: Where the belt's source made the update (`grnry_belt.context.Site`), outermost call first; may be empty.
        self.sites = list(sites or ())


class UndeclaredOutput(UpdateError):
    """The target is not among the belt's `outputTypes`."""


class WrongOutputKind(UpdateError):
    """The target is declared, but takes another kind of update."""


class MissingId(UpdateError):
    """The value of a `DirectUpdate` carries no usable `id`."""


class InvalidUpdate(UpdateError):
    """A part of the update is absent or of the wrong type."""
