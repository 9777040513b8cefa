"""The gateway holds no parser: whatever touches a document's bytes lives in the reader process."""

from __future__ import annotations

import subprocess
import sys


def test_no_parser_is_loaded_by_what_the_gateway_imports() -> None:
    script = (
        "import sys, intramuros.documents.ingest, intramuros.documents.place, intramuros.documents.samples\n"
        "print(sorted({'pypdfium2', 'lxml', 'selectolax', 'PIL', 'markdown_it', 'docx'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.strip() == "[]"
