"""Belts of every kind, from `tests/fixtures/belts`: a source, and beside it events with the updates expected of them.

A case whose headers are a list is a session. The sandbox runs all of them, too.
"""

import importlib.util
import json
import unittest

from tests.support import SAMPLES, ScriptTest


class Samples(ScriptTest):
    def test_every_sample_makes_the_expected_updates(self):
        sources = sorted(SAMPLES.glob("*.py"))
        self.assertTrue(sources)
        for source in sources:
            with self.subTest(source.stem):
                if "isodate" in source.read_text(encoding="utf-8") and importlib.util.find_spec("isodate") is None:
                    self.skipTest("isodate is not installed here; the runtime component carries it")
                sample = json.loads(source.with_suffix(".json").read_text(encoding="utf-8"))
                belt = self.belt(source.read_text(encoding="utf-8"), outputTypes=sample["outputTypes"])
                for case in sample["cases"]:
                    outcome = json.loads(json.dumps(self.run_one(belt, case["payload"], case["headers"])))
                    for expected, update in zip(case["updates"], outcome):
                        # The time of the call, where the sample sets none.
                        if update[0] == "u" and "_in" not in expected[1]["_value"]:
                            del update[1]["_value"]["_in"]
                    self.assertEqual(outcome, case["updates"])


if __name__ == "__main__":
    unittest.main()
