"""Makes the Postgres of a wheel stand for itself, in any folder.

    relocate-postgres.py INSTALLATION LIBRARIES

The wheel keeps the shared libraries of the programs in a folder beside the package, and the programs name it relative to
themselves. They go into INSTALLATION/lib, and the name is replaced in place by a shorter one.
"""

import os
import re
import shutil
import sys

installation, libraries = sys.argv[1:]
lib = os.path.join(installation, "lib")
for name in os.listdir(libraries):
    shutil.copy2(os.path.join(libraries, name), lib)

beside = re.compile(rb"\$ORIGIN(?:/\.\.)+/" + re.escape(os.path.basename(libraries).encode()) + rb"\0")
for folder, _, names in os.walk(installation):
    path_to_lib = os.path.join("$ORIGIN", os.path.relpath(lib, folder)).encode()
    for name in names:
        path = os.path.join(folder, name)
        if os.path.islink(path):
            continue
        with open(path, "rb") as file:
            before = file.read()
        # A text in a program ends with a zero, so the rest of the room is filled with them.
        after = beside.sub(lambda found: path_to_lib.ljust(len(found[0]), b"\0"), before)
        if before.startswith(b"\x7fELF") and after != before:
            with open(path, "wb") as file:
                file.write(after)
