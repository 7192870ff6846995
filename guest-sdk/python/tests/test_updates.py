"""The update classes and their wire forms, without a runtime."""

import time
import unittest

from grnry_belt import context
from grnry_belt.exceptions.exception import InvalidUpdate, MissingId, RetryException, UndeclaredOutput, WrongOutputKind
from grnry_belt.models import generic_update, update as update_module
from grnry_belt.models.direct_update import DirectUpdate
from grnry_belt.models.grnry_event_update import GrnryEventUpdate
from grnry_belt.models.update import Update
from grnry_belt.repository.dbfactory import Database, DatabaseNotAvailable
from grnry_belt.wire import wire


class Declared(unittest.TestCase):
    def setUp(self):
        context.declare("7", {"people": "live_segment", "chained": "data_in"})
        self.addCleanup(context.declare, None, None)


class ProfileUpdates(unittest.TestCase):
    def test_message_has_the_keys_and_defaults_of_the_reference(self):
        before = int(time.time() * 1000)
        message = Update("c1", ["visits", "Prämie [€]"]).set_value("4").update()
        inserted = message["_value"].pop("_in")
        self.assertTrue(before <= inserted <= int(time.time() * 1000))
        self.assertEqual(
            message,
            {
                "_schema": None,
                "_operation": "_set",
                "_id": "c1",
                "_path": ["visits", "Prämie [€]"],
                "_value": {
                    "_v": "4",
                    "_c": 1.0,
                    "_ttl": "P100Y",
                    "_ttn": "P100Y",
                    "_origin": "/belts/local",
                    "_reader": "_auth",
                },
                "_profile_type": "_d",
            },
        )

    def test_fourth_position_is_ttn_and_the_last_is_ttl(self):
        value = Update("c", ["p"]).set_value("v", 0.5, 1584708855528, "P1D", "/o", "_all", "P2D").update()["_value"]
        self.assertEqual(
            value,
            {"_v": "v", "_c": 0.5, "_in": 1584708855528, "_ttl": "P2D", "_ttn": "P1D", "_origin": "/o", "_reader": "_all"},
        )

    def test_both_spellings_of_keywords_are_taken(self):
        value = Update("c", ["p"]).set_value(value="v", _ttn="P1D", _ttl="P2D", _in=5).update()["_value"]
        self.assertEqual((value["_ttn"], value["_ttl"], value["_in"]), ("P1D", "P2D", 5000))
        value = Update("c", ["p"]).set_value(value="v", ttn="P1D", ttl="P2D", reader="r", origin="o").update()["_value"]
        self.assertEqual((value["_ttn"], value["_ttl"], value["_reader"], value["_origin"]), ("P1D", "P2D", "r", "o"))
        with self.assertRaisesRegex(TypeError, "synonym"):
            Update("c", ["p"]).set_value("v", ttl="P1D", _ttl="P2D")

    def test_seconds_become_milliseconds(self):
        for given, stored in ((1584708855.528, 1584708855528), (1584708855, 1584708855000), (1584708855528, 1584708855528)):
            self.assertEqual(Update("c", ["p"]).set_value("v", _in=given).update()["_value"]["_in"], stored)

    def test_setters_chain(self):
        update = Update("c", ["p"]).set_type("t").set_operation(update_module.DELETE_OPERATION).set_schema("s").set_value("")
        message = update.update()
        self.assertEqual((message["_profile_type"], message["_operation"], message["_schema"]), ("t", "_delete", "s"))
        self.assertEqual(update.get_id(), "c")
        self.assertEqual(update_module.SET_TTN_OPERATION, "_set_ttn")
        self.assertEqual((Update.DELETE_OPERATION, Update.SET_TTN_OPERATION), ("_delete", "_set_ttn"))

    def test_value_is_mandatory(self):
        with self.assertRaisesRegex(InvalidUpdate, r"set_value\(\.\.\.\) must be called"):
            wire(Update("c", ["p"]))

    def test_path_is_a_list_with_an_element(self):
        for path, error in (("a/b", TypeError), ([], ValueError)):
            with self.assertRaises(error):
                Update("c", path)

    def test_origin_names_the_belt(self):
        context.declare("7", {})
        self.addCleanup(context.declare, None, None)
        self.assertEqual(Update("c", ["p"]).set_value("v").update()["_value"]["_origin"], "/belts/7")


class DirectUpdates(Declared):
    def test_form_carries_target_id_and_value(self):
        value = {"id": "a", "n": 1}
        self.assertEqual(wire(DirectUpdate("people", value)), ("d", "people", "a", value))

    def test_integer_id_routes_by_its_digits_and_keeps_its_type(self):
        self.assertEqual(wire(DirectUpdate("people", {"id": 2**70})), ("d", "people", str(2**70), {"id": 2**70}))

    def test_undeclared_target_names_the_declared_ones(self):
        with self.assertRaises(UndeclaredOutput) as caught:
            wire(DirectUpdate("peopel", {"id": "a"}))
        text = str(caught.exception)
        for part in ("'peopel'", "'people' (live_segment)", "'chained' (data_in)", "did you mean 'people'"):
            self.assertIn(part, text)

    def test_target_of_another_kind_is_refused(self):
        with self.assertRaisesRegex(WrongOutputKind, "'chained' is of kind data_in"):
            wire(DirectUpdate("chained", {"id": "a"}))

    def test_belt_without_outputs_cannot_write_rows(self):
        context.declare("7", {})
        with self.assertRaisesRegex(UndeclaredOutput, "declares no outputTypes"):
            wire(DirectUpdate("people", {"id": "a"}))

    def test_value_needs_a_usable_id(self):
        for value, text in (({"x": 1}, r"keys: 'x'"), ({"id": None}, "null"), ({"id": 1.5}, "float"), ({"id": True}, "bool")):
            with self.assertRaisesRegex(MissingId, text):
                wire(DirectUpdate("people", value))
        with self.assertRaisesRegex(InvalidUpdate, "must be a dict, got list"):
            wire(DirectUpdate("people", []))

    def test_nothing_is_checked_outside_of_an_engine(self):
        context.declare(None, None)
        self.assertEqual(wire(DirectUpdate("anything", {"id": "a"}))[1], "anything")

    def test_repr_shows_target_and_value(self):
        self.assertEqual(repr(DirectUpdate("o", {"id": 1})), "DirectUpdate(output_type_name='o', value={'id': 1})")


class EventUpdates(Declared):
    def test_optional_parts_default_to_the_incoming_message(self):
        update = GrnryEventUpdate("chained", "c1").set_value({"a": 1})
        self.assertEqual(wire(update), ("g", "chained", "c1", None, None, None, {"a": 1}))

    def test_parts_are_written_as_text(self):
        update = GrnryEventUpdate("chained", 5, 6, 1584708855, {"n": 1, "t": "x"}).set_value({})
        self.assertEqual(wire(update), ("g", "chained", "5", "6", "1584708855000", {"n": "1", "t": "x"}, {}))
        self.assertEqual(wire(GrnryEventUpdate("chained", "c", timestamp="1584708855528").set_value({}))[4], "1584708855528")

    def test_wrong_parts_are_refused_with_what_came(self):
        for update, text in (
            (GrnryEventUpdate("chained", "c"), "set_value"),
            (GrnryEventUpdate("chained", "c").set_value("x"), "must be a dict, got str"),
            (GrnryEventUpdate("chained", "").set_value({}), "empty text"),
            (GrnryEventUpdate("chained", None).set_value({}), "correlation id must be a text, got none"),
            (GrnryEventUpdate("chained", "c", timestamp="soon").set_value({}), "'soon'"),
            (GrnryEventUpdate("chained", "c", timestamp=float("nan")).set_value({}), "nan"),
            (GrnryEventUpdate("chained", "c", headers={"a": None}).set_value({}), "'a' has a NoneType"),
        ):
            with self.assertRaisesRegex(InvalidUpdate, text):
                wire(update)

    def test_live_segment_is_no_target(self):
        with self.assertRaises(WrongOutputKind):
            wire(GrnryEventUpdate("people", "c").set_value({}))


class OtherClasses(unittest.TestCase):
    def test_generic_update_carries_text_or_bytes(self):
        for given, sent in (("t", "t"), (b"b", b"b"), ({"ü": [1]}, '{"ü": [1]}')):
            self.assertEqual(wire(generic_update.GenericUpdate("k", given)), ("r", "k", sent, None))

    def test_generic_update_does_not_work_with_outputs(self):
        context.declare("7", {"people": "live_segment"})
        self.addCleanup(context.declare, None, None)
        with self.assertRaisesRegex(WrongOutputKind, "outputTypes"):
            wire(generic_update.GenericUpdate("k", "v"))

    def test_other_values_are_no_updates(self):
        for value in (None, "x", {"id": 1}, ("d", "people", "a", {})):
            self.assertIsNone(wire(value))

    def test_retry_exception_is_an_exception(self):
        self.assertTrue(issubclass(RetryException, Exception))

    def test_database_loads_and_refuses_to_connect(self):
        database = Database()
        self.assertIsNone(database.cursor)
        with self.assertRaisesRegex(DatabaseNotAvailable, "not available"):
            database.connect()


if __name__ == "__main__":
    unittest.main()
