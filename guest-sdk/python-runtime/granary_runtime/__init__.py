"""Runs belts and transforms written in Python.

`runtime` takes batches apart and puts answers together; `belt` and `transform` load the two kinds of script and run
them on one message; the other modules are what they share. Only `app.py` beside this package knows that all this is
a WebAssembly component, so that the package can be tested by any CPython.
"""
