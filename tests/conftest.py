"""How every test runs."""

from __future__ import annotations

from hypothesis import settings

# No test asserts a time: an example that waited for a busy machine is not a failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
