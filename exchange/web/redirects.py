"""Where may a page send the reader next?

Only to an address on this very site: a ``next`` that came with a request is a stranger's word.
"""

from __future__ import annotations

import re

# A path and perhaps a query, in ASCII. No scheme, no host, no backslash, no control character and no
# second slash at the start: browsers read ``//x``, ``/\x`` and ``/%09/x`` more generously than we do.
_LOCAL = re.compile(
    r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@%-][A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?"
)
_ENCODED_TRICK = re.compile(r"%(?:0[0-9a-f]|1[0-9a-f]|2f|5c|7f)", re.IGNORECASE)
MAX_LENGTH = 2_000


def local_path(target: str | None, *, default: str) -> str:
    """``target`` when it is a plain path on this site, otherwise ``default``."""
    if not target or len(target) > MAX_LENGTH or _LOCAL.fullmatch(target) is None:
        return default
    path = target.partition("?")[0]
    if _ENCODED_TRICK.search(target) or "//" in path or ".." in path.split("/"):
        return default
    return target
