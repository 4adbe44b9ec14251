"""Which files of USWDS does the site serve, and are all there that its stylesheet asks for?

Copies the compiled files from node_modules to static/vendor/uswds: no Sass, no maps, no flag.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "node_modules" / "@uswds" / "uswds"
TARGET = ROOT / "static" / "vendor" / "uswds"
STYLESHEET = "css/uswds.min.css"

# What pages may use. The stylesheet's own files are found in the stylesheet.
WANTED = (
    STYLESHEET,
    "js/uswds.min.js",
    "js/uswds-init.min.js",
    "fonts/**/*.woff2",
    "img/sprite.svg",
    "img/usa-icons/*.svg",
)


def main() -> None:
    """Copy anew; say what is missing and exit 1 rather than serve a page with holes."""
    dist = SOURCE / "dist"
    stylesheet = (dist / STYLESHEET).read_text(encoding="utf-8")
    asked_for = {match["path"] for match in re.finditer(r"url\([\"']?\.\./(?P<path>[^)\"'?#]+)", stylesheet)}
    missing = sorted(path for path in asked_for if not (dist / path).is_file())
    if missing:
        sys.exit("USWDS's stylesheet asks for files that the package lacks: " + ", ".join(missing))
    shutil.rmtree(TARGET, ignore_errors=True)
    for path in sorted(asked_for | {str(file.relative_to(dist)) for glob in WANTED for file in dist.glob(glob)}):
        (TARGET / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(dist / path, TARGET / path)
    shutil.copyfile(SOURCE / "LICENSE.md", TARGET / "LICENSE.md")


if __name__ == "__main__":
    main()
