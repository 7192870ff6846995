"""Transforms in the runtime, and the Snowplow helpers."""

import json
import unittest

from grnry_transform import DeletionEvent, SnowplowPayloadExtractor, SnowplowSerDe
from grnry_transform.thrift import ThriftError
from tests.support import ScriptTest, record, text_field

GUIDE = """
body = SnowplowSerDe.deserialize(payload).getBody()
event = json.loads(body)
result = body if isinstance(event, dict) and event.get('appId') == 'liveSegmenttest' else None
"""


class Scripts(ScriptTest):
    def answer(self, source, payload=b"", headers=None):
        return self.run_one(self.transform(source), payload, headers)

    def test_guide_keeps_its_bodies_byte_for_byte_and_skips_others(self):
        body = '{"appId": "liveSegmenttest",  "n": 1.0}'
        transform = self.transform(GUIDE)
        outcomes = self.run_batch(
            transform, ({}, record(body)), ({}, record('{"appId": "x"}')), ({}, record("[1]")), ({}, record()), ({}, b"?")
        )
        self.assertEqual(outcomes[:3], [("t", body), None, None])
        self.assertEqual([o[:2] for o in outcomes[3:]], [("e", "TypeError"), ("e", "ThriftError")])

    def test_function_form_runs_its_module_once(self):
        transform = self.transform(
            "print('once')\nseen = []\ndef transform(payload, headers):\n    seen.append(headers['k'])\n    return {'n': len(seen)}"
        )
        outcomes = self.run_batch(transform, ({"k": "a"}, b""), ({"k": "b"}, b""))
        self.assertEqual(outcomes, [("o", {"n": 1}), ("o", {"n": 2})])
        self.assertEqual(self.logs, [("info", "stdout", "once")])

    def test_script_form_shares_nothing_between_messages(self):
        transform = self.transform("try:\n    result = known\nexcept NameError:\n    known = result = 'first'")
        self.assertEqual(self.run_batch(transform, ({}, b""), ({}, b"")), [("t", "first")] * 2)

    def test_results_are_classified(self):
        for expression, outcome in (
            ("None", None),
            ("'{}'", ("t", "{}")),
            ("b'{}'", ("t", "{}")),
            ("bytearray(b'1')", ("t", "1")),
            ("{'a': [1]}", ("o", {"a": [1]})),
            ("5", ("o", 5)),
            ("[]", []),
            ("['1', None, {'a': 1}, DeletionEvent('c', 'e')]", [("t", "1"), ("o", {"a": 1}), ("x", "c", "e")]),
            ("('1', [2])", [("t", "1"), ("o", [2])]),
            ("DeletionEvent('c')", ("x", "c", None)),
        ):
            self.assertEqual(self.answer(f"result = {expression}"), outcome, expression)

    def test_wrong_results_fail(self):
        for expression, kind in (("b'\\xff'", "UnicodeDecodeError"), ("{'a': {1: object()}}", "NotJson"), ("[object()]", "NotJson")):
            self.assertEqual(self.answer(f"result = {expression}")[:2], ("e", kind))

    def test_payload_object_is_written_in_its_escaped_form(self):
        tag, text = self.answer("result = SnowplowSerDe.deserialize(payload)", record('{"a":1}'))
        self.assertEqual(tag, "t")
        self.assertEqual(json.loads(text)["body"], '{"a":1}')

    def test_helpers_can_be_imported(self):
        source = "from grnry_transform import SnowplowSerDe as S, DeletionEvent\nresult = S.toJSON({'a': headers['h']})"
        self.assertEqual(self.answer(source, b"", {"h": "ü"}), ("t", '{"a":"ü"}'))

    def test_failure_shows_the_lines_of_the_script(self):
        outcome = self.answer("x = 1\nresult = json.loads(payload)", b"{")
        self.assertEqual(outcome[1], "JSONDecodeError")
        self.assertIn('File "script", line 2', outcome[3])
        self.assertNotIn("raw_decode", outcome[3])

    def test_script_without_answer_is_refused(self):
        [found] = self.refusal("transform", "x = 1")
        self.assertIn("`result`", found.message)

    def test_return_at_the_top_is_refused_with_a_hint(self):
        [found] = self.refusal("transform", "x = 1\nreturn x")
        self.assertEqual(found.line, 2)
        self.assertIn("assign the answer to `result`", found.message)

    def test_wrong_imports_are_found_before_the_first_record(self):
        [one, two] = self.refusal("transform", "import json\nimport nowhere\nimport socket\nresult = 1")
        self.assertEqual((one.line, two.line), (2, 3))
        self.assertIn("a transform has no network", two.message)

    def test_function_must_take_payload_and_headers(self):
        for signature in ("(payload)", "(a, b, c)"):
            [found] = self.refusal("transform", f"def transform{signature}: pass")
            self.assertIn("two arguments", found.message)
        self.transform("def transform(payload, headers, extra=None): pass")
        [found] = self.refusal("transform", "transform = 5")
        self.assertIn("must be a function", found.message)


class Snowplow(unittest.TestCase):
    def test_fields_have_getters_and_properties(self):
        payload = SnowplowSerDe.deserialize(record("b", "q=1"))
        self.assertEqual((payload.getBody(), payload.body, payload.querystring, payload.timestamp), ("b", "b", "q=1", 1584708855528))
        self.assertEqual((payload.getHeaders(), payload.getHeadersSize()), (["Host: h", "application/json"], 2))
        self.assertEqual((payload.getRefererUri(), payload.isSetBody(), payload.isSetUserAgent()), (None, True, False))
        self.assertEqual(payload, SnowplowSerDe.deserialize(record("b", "q=1")))

    def test_absent_timestamp_reads_as_zero(self):
        payload = SnowplowSerDe.deserialize(record(timestamp=None))
        self.assertEqual((payload.getTimestamp(), payload.isSetTimestamp()), (0, False))

    def test_escaped_form_has_the_thirty_keys(self):
        form = json.loads(SnowplowSerDe.toJSON(SnowplowSerDe.deserialize(record('{"a":1}'))))
        self.assertEqual(len(form), 30)
        self.assertEqual((form["body"], form["setBody"], form["userAgent"], form["setUserAgent"]), ('{"a":1}', True, None, False))
        self.assertEqual((form["headersSize"], form["headersIterator"]), (2, form["headers"]))

    def test_bytes_that_are_not_utf8_become_replacement_characters(self):
        self.assertEqual(SnowplowSerDe.deserialize(text_field(340, b"a\xff") + b"\0").body, "a\ufffd")

    def test_every_cut_and_every_odd_byte_is_an_error_or_a_payload(self):
        whole = record('{"a":1}', "q=1")
        for end in range(len(whole)):
            with self.assertRaises(ThriftError):
                SnowplowSerDe.deserialize(whole[:end])
        for at in range(len(whole)):
            for byte in (0, 1, 12, 13, 15, 127, 255):
                damaged = whole[:at] + bytes([byte]) + whole[at + 1 :]
                try:
                    SnowplowSerDe.deserialize(damaged)
                except ThriftError:
                    pass

    def test_hostile_counts_and_nesting_end_quickly(self):
        for data in (
            b"\x0f\0\x01\x02\x7f\xff\xff\xff",
            b"\x0d\0\x01\x02\x02\x7f\xff\xff\xff",
            b"\x0f\x01\x5e\x0b\x7f\xff\xff\xff",
            b"\x0b\x01\x54\xff\xff\xff\xff",
            b"\x0c\0\x01" * 100_000,
            b"\x63\0\x01",
        ):
            with self.assertRaises(ThriftError):
                SnowplowSerDe.deserialize(data)

    def test_unknown_fields_are_skipped(self):
        unknown = b"\x0c\0\x01\x0d\0\x02\x08\x0b\0\0\0\x01\0\0\0\x01\0\0\0\x01x\0" + b"\x02\0\x03\x01" + b"\x0b\0\x04\0\0\0\x01z"
        self.assertEqual(SnowplowSerDe.deserialize(unknown + record("b")).body, "b")

    def test_normalised_body_is_opened_with_the_json_inside_its_texts(self):
        def body_of(body):
            return SnowplowPayloadExtractor.normalizeJson(SnowplowSerDe.toJSON(SnowplowSerDe.deserialize(record(body))))["body"]

        self.assertEqual(body_of('{"data":[{"v":"5678"},"retry"]}'), {"data": [{"v": "5678"}, "retry"]})
        self.assertEqual(body_of(r'{"d":{"ue_pr":"{\"x\":\"[1]\"}"}}'), {"d": {"ue_pr": {"x": [1]}}})
        self.assertEqual(body_of('{"broken":"{no","n":NaN}'), '{"broken":"{no","n":NaN}')
        self.assertEqual((body_of("hello"), body_of(""), body_of("12345678901234567890123")), ("hello", "", 12345678901234567890123))
        for deep in ("[" * 120 + "]" * 120, "[" * 200_000):
            self.assertEqual(body_of(deep), deep)

    def test_query_becomes_lists_of_decoded_values(self):
        payload = SnowplowSerDe.deserialize(record('{"a":1}', "f=a%20b&f=c+d&%C3%BC=1&empty=&bare"))
        form = json.loads(SnowplowPayloadExtractor.getActualSnowplowPayload(payload))
        self.assertEqual(form["queryParameters"], {"f": ["a b", "c d"], "ü": ["1"], "empty": [""], "bare": [""]})
        self.assertEqual(form["body"], {"a": 1})
        text = SnowplowSerDe.toJSON(payload)
        self.assertEqual(json.loads(SnowplowPayloadExtractor.getActualSnowplowPayload(text)), form)
        self.assertNotIn("queryParameters", SnowplowPayloadExtractor.getActualSnowplowPayload(SnowplowSerDe.deserialize(record("{}"))))

    def test_other_texts_are_refused_with_what_came(self):
        with self.assertRaisesRegex(ValueError, "expected the JSON object of a collector payload, got list"):
            SnowplowPayloadExtractor.normalizeJson("[1]")
        with self.assertRaisesRegex(ValueError, "line 1 column 2"):
            SnowplowPayloadExtractor.normalizeJson("{")
        with self.assertRaisesRegex(TypeError, "bytes, got str"):
            SnowplowSerDe.deserialize("x")

    def test_deletion_event_has_its_json_and_checks_its_ids(self):
        self.assertEqual(DeletionEvent("c", "e").toJSON(), '{"correlationId":"c","eventId":"e"}')
        self.assertEqual(DeletionEvent("c").toJSON(), '{"correlationId":"c"}')
        for ids in (("",), (None,), ("c", 5)):
            with self.assertRaises(ValueError):
                DeletionEvent(*ids)


if __name__ == "__main__":
    unittest.main()
