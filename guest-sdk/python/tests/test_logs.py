"""Where the output of scripts goes."""

import unittest

from tests.support import ScriptTest


class Logs(ScriptTest):
    def test_records_carry_level_and_logger(self):
        belt = self.belt(
            "import logging\nlog = logging.getLogger('mine')\n"
            "def execute(h, p):\n    log.debug('d')\n    logging.info('i %d', 1)\n    log.warning('w')\n    log.critical('c')"
        )
        self.run_one(belt)
        self.assertEqual(self.logs, [("info", "root", "i 1"), ("warning", "mine", "w"), ("error", "mine", "c")])

    def test_debug_records_appear_on_request(self):
        source = "import logging\nlogging.basicConfig(level=logging.DEBUG)\ndef execute(h, p): logging.debug('d')"
        self.run_one(self.belt(source))
        self.assertEqual(self.logs, [])
        self.run_one(self.belt(source, debug=True))
        self.assertEqual(self.logs, [("debug", "root", "d")])

    def test_logged_exception_shows_own_lines(self):
        source = "import json, logging\ndef execute(h, p):\n    try: json.loads('{')\n    except ValueError: logging.exception('oops')"
        self.run_one(self.belt(source))
        [(level, _, text)] = self.logs
        self.assertEqual(level, "error")
        self.assertTrue(text.startswith("oops\nTraceback"))
        self.assertIn('File "extractorFn", line 3', text)
        self.assertNotIn("decoder.py", text)

    def test_wrong_log_call_does_not_fail_the_event(self):
        self.assertEqual(self.run_one(self.belt("import logging\ndef execute(h, p): logging.info('%d', 'x')")), [])
        self.assertIn("a log call failed", self.logs[0][2])

    def test_prints_arrive_line_by_line(self):
        belt = self.belt("def execute(h, p):\n    print('a', p)\n    print('b', end='')\n    print('c\\nd', end='')")
        self.run_batch(belt, ({}, 1))
        self.assertEqual([line[2] for line in self.logs], ["a 1", "bc", "d"])

    def test_output_while_loading_and_of_a_failing_event_arrives(self):
        belt = self.belt("import sys\nprint('loading', end='')\ndef execute(h, p):\n    print('x', file=sys.stderr)\n    1 / 0")
        self.run_one(belt)
        self.assertEqual(self.logs, [("info", "stdout", "loading"), ("warning", "stderr", "x")])

    def test_line_without_end_is_passed_on_in_pieces(self):
        belt = self.belt("def execute(h, p):\n    for _ in range(100): print('x' * 1000, end='')")
        self.run_one(belt)
        self.assertGreater(len(self.logs), 3)
        self.assertEqual(sum(len(line[2]) for line in self.logs), 100_000)

    def test_writing_bytes_to_standard_output_is_the_usual_type_error(self):
        self.assertEqual(self.run_one(self.belt("import sys\ndef execute(h, p): sys.stdout.write(b'x')"))[1], "TypeError")


if __name__ == "__main__":
    unittest.main()
