"""The update classes, one module each."""
