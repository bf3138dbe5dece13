"""The one exception of the project."""
from __future__ import annotations


class ConcordError(ValueError):
    """What a user can mend: the message says what was received, what fits, and what to do."""
