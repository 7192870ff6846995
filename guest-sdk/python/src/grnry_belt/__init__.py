"""What a Python belt imports: update classes, exceptions, and the facts of the belt it runs in.

The modules carry the names that existing belts import: `models.update`, `models.direct_update`,
`models.grnry_event_update`, `models.generic_update`, `exceptions.exception`, `repository.dbfactory`.
"""

__version__ = "0.1.0"
