"""Where are the published files of real data that some tests run against?

They are no part of the product: a test that wants them skips, saying so, where they are absent.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Beside the repository, unless REAL_DATA names another folder.
FOLDER = Path(os.environ.get("REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))


def real_files(*parts: str) -> list[str]:
    """``real_files("irs_eo_bmf", "eo_dc.csv.gz", …)``: the paths of these files of one folder, or the test skips."""
    folder, *names = parts
    paths = [FOLDER / folder / name for name in names]
    missing = [path.name for path in paths if not path.exists()]
    if missing:
        pytest.skip(f"real data is not here (REAL_DATA names its folder): {', '.join(missing)}")
    return [str(path) for path in paths]
