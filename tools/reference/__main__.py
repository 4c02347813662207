"""``python -m tools.reference [FOLDER]``: write the generated pages into a folder, ``docs`` unless named."""

import sys
from pathlib import Path

from tools.reference.pages import PAGES

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
for name, page in PAGES.items():
    (folder / name).write_text(page(), encoding="utf-8")
    print(f"wrote {folder / name}")
