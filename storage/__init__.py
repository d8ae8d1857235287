"""What is remembered: the single door to SQLite and to bytes on disk."""
