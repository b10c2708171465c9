"""The hint at the end of an error about an unknown name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def suggest(name: str, known: Iterable[str], limit: int = 8) -> str:
    """'; did you mean X?' when something is close, else '; there are A, B, ...' (at most `limit` of them)."""
    known = list(known)
    folded = {k.lower(): k for k in known}
    close = difflib.get_close_matches(str(name).lower(), folded, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {folded[close[0]]}?"
    more = f" and {len(known) - limit} more" if len(known) > limit else ""
    return f"; there are {', '.join(sorted(map(str, known))[:limit])}{more}" if known else ""
