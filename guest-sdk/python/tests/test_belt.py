"""Belts in the runtime: loading, checks, outcomes."""

import json
import marshal
import math
import random
import unittest

from tests.support import EXAMPLE, LIVE, ScriptTest

IMPORT = "from grnry_belt.models.direct_update import DirectUpdate\n"


class Loading(ScriptTest):
    def test_syntax_error_has_line_column_and_caret(self):
        source = "import json\r\n\r\ndef execute(h, p):\r\n    a = h['x']    print(p)\r\n"
        [found] = self.refusal("belt", source)
        self.assertEqual((found.severity, found.line, found.column), ("error", 4, 19))
        self.assertEqual(found.excerpt, "    a = h['x']    print(p)\n" + " " * 18 + "^")
        self.assertIn("SyntaxError: invalid syntax", found.message)

    def test_caret_stands_under_its_column_behind_tabs_and_wide_text(self):
        [found] = self.refusal("belt", "def execute(h, p):\n\tx = 'ü€' 1\n")
        line, caret = found.excerpt.split("\n")
        self.assertEqual(line, "\tx = 'ü€' 1")
        self.assertTrue(caret.startswith("\t") and caret.endswith("^"))
        self.assertEqual(len(caret), found.column)

    def test_long_line_is_cut_around_the_error(self):
        [found] = self.refusal("belt", "x = [" + "1, " * 5000 + "1 1, " + "2, " * 5000 + "]")
        line, caret = found.excerpt.split("\n")
        self.assertLess(len(line), 200)
        self.assertEqual(line[len(caret) - 1], "1")

    def test_indentation_error_and_null_bytes_are_syntax_errors(self):
        for source in ("def execute(h, p):\npass", "x = 1\0"):
            [found] = self.refusal("belt", source)
            self.assertEqual(found.severity, "error")

    def test_failing_import_names_the_line_and_what_can_be_imported(self):
        [found] = self.refusal("belt", "import json\n\nimport no_such_module\n")
        self.assertEqual(found.line, 3)
        self.assertIn("no module named 'no_such_module'", found.message)
        self.assertIn("isodate", found.message)
        self.assertIn('File "extractorFn", line 3', found.traceback)

    def test_failure_while_the_module_runs_shows_the_innermost_own_line(self):
        source = "import json\ndef helper():\n    return json.loads('{')\nhelper()\n"
        [found] = self.refusal("belt", source)
        self.assertEqual((found.line, found.column), (3, 12))
        self.assertIn("line 4, in <module>", found.traceback)
        self.assertNotIn("decoder.py", found.traceback)

    def test_network_modules_are_refused_with_the_reason(self):
        for name, reason in (("socket", "no network"), ("ssl", "no network"), ("urllib3", "no network"),
                             ("subprocess", "cannot start processes"), ("ctypes", "native")):  # fmt: skip
            [found] = self.refusal("belt", f"import {name}\n")
            self.assertIn("a belt", found.message)
            self.assertIn(reason, found.message)

    def test_modules_of_the_samples_can_be_imported(self):
        names = "sys logging math time datetime traceback random hmac hashlib binascii threading unittest.mock asyncio"
        self.belt(f"import {', '.join(names.split())}\ndef execute(h, p): pass")

    def test_execute_must_exist_and_be_a_function(self):
        [found] = self.refusal("belt", "x = 1")
        self.assertIn("no function named execute", found.message)
        [found] = self.refusal("belt", "execute = 3")
        self.assertIn("it is a int", found.message)
        [found] = self.refusal("belt", "async def execute(h, p): pass")
        self.assertIn("async", found.message)
        [found] = self.refusal("belt", "def execute(h, p): yield 1")
        self.assertIn("generator", found.message)

    def test_parameter_count_depends_on_the_fetch_mode(self):
        two, default, three, one = "(a, b)", "(a, b, c=None)", "(a, b, c)", "(a)"
        accepted = {
            "FALSE": (two, default, "(event, profile=None)", "(*a)"),
            "LAZY": (two, default),
            "PREFETCH": (three, default),
            "PREFETCH_WITH_HISTORY": (three, default),
        }
        refused = {
            "FALSE": (one, three, "()", "(a, b, c, d=1)", "(a, b, *, k)"),
            "LAZY": (three,),
            "PREFETCH": (two, "(a, b, c, d)"),
        }
        for mode, signatures in accepted.items():
            for signature in signatures:
                with self.subTest(mode=mode, signature=signature):
                    self.belt(f"def execute{signature}: pass", fetchProfile=mode)
        for mode, signatures in refused.items():
            for signature in signatures:
                with self.subTest(mode=mode, signature=signature):
                    [found] = self.refusal("belt", f"\ndef execute{signature}: pass", fetchProfile=mode)
                    self.assertEqual(found.line, 2)

    def test_undeclared_literal_targets_warn(self):
        source = IMPORT + (
            "def execute(h, p):\n"
            "    if p:\n"
            "        return [DirectUpdate('nobody', {'id': 1})]\n"
            "    return direct_update.DirectUpdate(output_type_name='chained', value={})\n"
            "def fine(name): return [DirectUpdate('people', {}), DirectUpdate(name, {})]\n"
        )
        _, warnings = self.load("belt", source, **LIVE)
        self.assertEqual([(w.severity, w.line) for w in warnings], [("warning", 4), ("warning", 5)])
        self.assertIn("'people' (live_segment)", warnings[0].message)
        self.assertIn("of kind data_in", warnings[1].message)

    def test_warnings_of_the_compiler_are_passed_on(self):
        _, warnings = self.load("belt", "def execute(h, p): return '\\d' and None\n")
        self.assertEqual([w.line for w in warnings], [1])

    def test_deeply_nested_source_is_refused(self):
        [found] = self.refusal("belt", "x = " + "(" * 5000 + ")" * 5000)
        self.assertEqual(found.severity, "error")

    def test_update_is_bound_and_the_module_is_named_callback(self):
        belt = self.belt("def execute(h, p): return Update('c', [__name__]).set_value('v')")
        [(tag, message)] = self.run_one(belt)
        self.assertEqual((tag, message["_path"]), ("u", ["callback"]))

    def test_clients_are_bound_where_the_mode_has_them_and_say_that_they_are_missing(self):
        belt = self.belt("def execute(h, p): profileClient.getProfile('c', withHistory=False)", fetchProfile="LAZY")
        self.assertIn("profileClient.getProfile is not available", self.run_one(belt)[2])
        belt = self.belt("def execute(h, p): profileClient")
        self.assertEqual(self.run_one(belt)[1], "NameError")

    def test_environment_is_set(self):
        belt = self.belt("import os\ndef execute(h, p): print(os.environ['LIMIT'])", env={"LIMIT": "5"})
        self.run_one(belt)
        self.assertEqual(self.logs, [("info", "stdout", "5")])

    def test_random_numbers_are_seeded_anew(self):
        source = "import random\ndef execute(h, p): print(random.random())"
        random.seed(1)
        self.run_one(self.belt(source))
        random.seed(1)
        self.run_one(self.belt(source))
        self.assertNotEqual(self.logs[0], self.logs[1])

    def test_byte_order_mark_is_ignored(self):
        self.belt("\ufeffdef execute(h, p): pass")


class Running(ScriptTest):
    def test_example_gives_its_expected_answers(self):
        outputs = [{"name": "livesegment-dataoutp", "kind": "live_segment"}]
        belt = self.belt((EXAMPLE / "callback.py").read_text(), outputTypes=outputs)
        events = json.loads((EXAMPLE / "input.json").read_text())
        outcomes = self.run_batch(belt, *((event["headers"], event["payload"]) for event in events))
        for outcome, expected in zip(outcomes, json.loads((EXAMPLE / "expected.json").read_text())):
            if "failure" in expected:
                failure = expected["failure"]
                self.assertEqual(outcome[:3], ("e", failure["type"], failure["message"]))
                self.assertIn(f'File "extractorFn", line {failure["line"]}, in execute', outcome[3])
            else:
                forms = [("d", u["output"], u["id"], u["value"]) for u in expected["updates"]]
                self.assertEqual(outcome, forms)

    def test_direct_update_with_an_id_of_text_is_written_short(self):
        source = IMPORT + "def execute(h, p): return [DirectUpdate('people', {'id': i}) for i in p]"
        [updates] = self.run_frame(self.belt(source), ({}, ["a", 1]))
        self.assertEqual(updates, [({"id": "a"}, "people"), ("d", "people", "1", {"id": 1})])

    def test_session_comes_as_two_lists_and_is_one_call(self):
        source = IMPORT + "def execute(h, p): return [DirectUpdate('people', {'id': a['id'], 'p': b}) for a, b in zip(h, p)]"
        updates = self.run_one(self.belt(source), ['{"a": 1}', "no json"], [{"id": "1"}, {"id": "2"}])
        self.assertEqual([u[3] for u in updates], [{"id": "1", "p": '{"a": 1}'}, {"id": "2", "p": "no json"}])

    def test_headers_of_a_session_are_no_headers_of_an_event(self):
        source = "from grnry_belt.models.grnry_event_update import GrnryEventUpdate\n" + (
            "def execute(h, p): return GrnryEventUpdate('chained', 'c', headers=h).set_value({})"
        )
        outcome = self.run_one(self.belt(source), ["{}"], [{"grnry-event-id": "1"}])
        self.assertEqual(outcome[:2], ("e", "InvalidUpdate"))
        self.assertIn("headers must be a dict of texts, got list", outcome[2])

    def test_what_may_be_returned(self):
        source = IMPORT + "def execute(h, p): return {'n': None, 'e': [], 'one': U, 'tuple': (U, U), 'list': [U], 'other': 5, 'mixed': [U, 5, None]}[p]\nU = DirectUpdate('people', {'id': 'a'})"
        belt = self.belt(source)
        counts = {"n": 0, "e": 0, "one": 1, "tuple": 2, "list": 1, "other": 0, "mixed": 1}
        for name, count in counts.items():
            self.assertEqual(len(self.run_one(belt, name)), count, name)
        self.assertEqual([line[:2] for line in self.logs], [("warning", "belt"), ("warning", "belt")])

    def test_one_failure_leaves_the_others_alone(self):
        belt = self.belt(IMPORT + "def execute(h, p): return [DirectUpdate('people', {'id': p['id']})]")
        outcomes = self.run_batch(belt, ({}, {"id": "1"}), ({}, b"\xff"), ({}, {}), ({}, {"id": "4"}))
        self.assertEqual([type(o) for o in outcomes], [list, tuple, tuple, list])
        self.assertEqual([outcomes[0][0][2], outcomes[3][0][2]], ["1", "4"])

    def test_failure_shows_type_text_and_own_lines_only(self):
        source = "import json\nclass Odd(Exception): pass\ndef execute(h, p):\n    try:\n        json.loads('{')\n    except ValueError as e:\n        raise Odd('bad', 1) from e\n"
        tag, kind, message, traceback, retryable = self.run_one(self.belt(source))
        self.assertEqual((tag, kind, message, retryable), ("e", "Odd", "('bad', 1)", False))
        self.assertIn('File "extractorFn", line 7, in execute\n    raise Odd', traceback)
        self.assertIn("line 5, in execute", traceback)
        self.assertNotIn("granary_runtime", traceback)
        self.assertNotIn("raw_decode", traceback)

    def test_retry_exception_is_retryable(self):
        source = "from grnry_belt.exceptions.exception import RetryException\ndef execute(h, p): raise RetryException('later')"
        self.assertEqual(self.run_one(self.belt(source))[4], True)

    def test_exit_and_recursion_are_failures_of_the_event(self):
        belt = self.belt("import sys\ndef execute(h, p):\n    if p: sys.exit(3)\n    execute(h, p)")
        self.assertEqual(self.run_one(belt, 1)[1], "SystemExit")
        failure = self.run_one(belt, 0)
        self.assertEqual(failure[1], "RecursionError")
        self.assertLess(len(failure[3]), 20_000)

    def test_exception_that_cannot_be_shown_is_still_a_failure(self):
        source = "class Bad(Exception):\n    def __str__(self): raise ValueError('no')\ndef execute(h, p): raise Bad()"
        outcome = self.run_one(self.belt(source))
        self.assertEqual(outcome[1], "Bad")
        self.assertIn("cannot be shown", outcome[2])

    def test_huge_messages_are_cut(self):
        outcome = self.run_one(self.belt("def execute(h, p): raise ValueError('x' * 10**6)"))
        self.assertLess(len(outcome[2]), 5_000)
        self.assertLess(len(outcome[3]), 20_000)

    def test_refused_update_shows_the_line_that_made_it(self):
        source = IMPORT + "def make(n):\n    return DirectUpdate(n, {'id': 1})\ndef execute(h, p):\n    u = make('nobody')\n    return [u]\n"
        tag, kind, message, traceback, _ = self.run_one(self.belt(source))
        self.assertEqual((tag, kind), ("e", "UndeclaredOutput"))
        self.assertIn('line 5, in execute\n    u = make', traceback)
        self.assertIn("line 3, in make\n    return DirectUpdate", traceback)

    def test_wrong_update_spoils_the_whole_message(self):
        source = IMPORT + "def execute(h, p): return [DirectUpdate('people', {'id': 'a'}), DirectUpdate('people', {})]"
        self.assertEqual(self.run_one(self.belt(source))[1], "MissingId")

    def test_value_may_be_filled_after_the_update_is_made(self):
        source = IMPORT + "def execute(h, p):\n    v = {}\n    u = DirectUpdate('people', v)\n    v['id'] = 'late'\n    return u"
        self.assertEqual(self.run_one(self.belt(source)), [("d", "people", "late", {"id": "late"})])

    def test_reused_dict_is_written_as_it_was_at_its_event(self):
        source = IMPORT + "V = {'id': 'a'}\ndef execute(h, p):\n    V['n'] = p\n    return DirectUpdate('people', V)"
        outcomes = self.run_batch(self.belt(source), ({}, 1), ({}, 2))
        self.assertEqual([o[0][3]["n"] for o in outcomes], [1, 2])

    def test_subclasses_of_json_types_become_plain(self):
        source = IMPORT + (
            "import collections, enum\nclass T(str): pass\nclass E(enum.IntEnum):\n    A = 1\n"
            "P = collections.namedtuple('P', 'x y')\n"
            "def execute(h, p): return DirectUpdate('people', collections.OrderedDict(id=T('a'), e=E.A, p=P(1, 2.5), t=True))"
        )
        [(_, _, id, value)] = self.run_one(self.belt(source))
        self.assertEqual((id, value), ("a", {"id": "a", "e": 1, "p": [1, 2.5], "t": True}))

    def test_values_without_json_form_fail_with_their_place(self):
        for expression, place in (
            ("datetime.date(2020, 1, 1)", "a date"),
            ("object()", "an? object"),
            ("decimal.Decimal(1)", "a Decimal"),
            ("collections.OrderedDict({1: 2})", "the key 1, a int"),
            ("[T('x'), float('nan')]", r"\[1\] is nan"),
        ):
            source = IMPORT + f"import collections, datetime, decimal\nclass T(str): pass\ndef execute(h, p): return DirectUpdate('people', {{'id': 'a', 'k': [{expression}]}})"
            outcome = self.run_one(self.belt(source))
            self.assertEqual(outcome[:2], ("e", "NotJson"), expression)
            self.assertRegex(outcome[2], r"the value for 'people'\.k\[0\].*" + place)

    def test_cycles_and_endless_nesting_fail(self):
        source = IMPORT + "def execute(h, p):\n    v = {'id': 'a'}\n    v['v'] = v\n    return DirectUpdate('people', v)"
        self.assertEqual(self.run_one(self.belt(source))[1], "NotJson")

    def test_integers_stay_exact_and_text_stays_text(self):
        belt = self.belt(IMPORT + "def execute(h, p): return DirectUpdate('people', {'id': 'a', 'p': p})")
        payload = {"n": 2**100, "m": -(2**63) - 1, "f": 0.1, "t": "Prämie [€] \U0001f600", "z": None}
        self.assertEqual(self.run_one(belt, payload)[0][3]["p"], payload)

    def test_profile_is_none_where_it_is_prefetched(self):
        belt = self.belt("def execute(h, p, profile): print(profile)", fetchProfile="PREFETCH")
        self.run_one(belt)
        self.assertEqual(self.logs, [("info", "stdout", "None")])

    def test_update_without_profile_output_is_sent_with_a_remark(self):
        belt = self.belt("def execute(h, p): return Update('c', ['p']).set_value('v')")
        self.assertEqual(self.run_one(belt)[0][0], "u")
        self.run_one(belt)
        self.assertEqual(len(self.logs), 1)
        self.assertIn("no output of kind profile", self.logs[0][2])

    def test_frames_that_are_not_understood_are_refused(self):
        belt = self.belt("def execute(h, p): pass")
        for frame in (b"", b"\xff", marshal.dumps({}, 2), marshal.dumps([5], 2), marshal.dumps([(1, 2, 3)], 2)):
            with self.assertRaises(ValueError):
                belt.execute(frame)
        self.assertEqual(self.run_batch(belt), [])

    def test_nan_is_left_to_the_host(self):
        belt = self.belt(IMPORT + "def execute(h, p): return DirectUpdate('people', {'id': 'a', 'n': float('nan')})")
        self.assertTrue(math.isnan(self.run_one(belt)[0][3]["n"]))


if __name__ == "__main__":
    unittest.main()
