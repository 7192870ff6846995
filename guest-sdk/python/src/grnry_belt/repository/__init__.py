"""Access to databases, which a sandboxed belt does not have."""
