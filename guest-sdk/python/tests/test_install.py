"""The package as pip installs it, for tests of belts without an engine."""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
TOOLS = ("pip", "setuptools", "wheel")


@unittest.skipUnless(all(map(importlib.util.find_spec, TOOLS)), "needs pip, setuptools and wheel")
class Installation(unittest.TestCase):
    def test_installed_package_is_typed_and_runs_a_belt(self):
        with tempfile.TemporaryDirectory() as folder:
            # From a copy: a build leaves files beside the sources.
            copy, target = Path(folder, "copy"), Path(folder, "target")
            shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
            options = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(target), str(copy)]
            installed = subprocess.run([*pip, *options], capture_output=True, text=True)
            self.assertEqual(installed.returncode, 0, installed.stderr)
            for package in ("grnry_belt", "grnry_transform"):
                self.assertTrue((target / package / "py.typed").is_file(), package)
            script = (
                "from grnry_belt.models.direct_update import DirectUpdate\n"
                "def execute(h, p): return [DirectUpdate('people', {'id': h['grnry-correlation-id']})]\n"
                "print(execute({'grnry-correlation-id': 'c-1'}, {}))\n"
            )
            ran = subprocess.run(
                [sys.executable, "-S", "-c", script], env={"PYTHONPATH": str(target)}, capture_output=True, text=True
            )
            self.assertIn("'people', value={'id': 'c-1'}", ran.stdout, ran.stderr)


if __name__ == "__main__":
    unittest.main()
