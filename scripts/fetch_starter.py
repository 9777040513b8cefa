"""Fetches the starter model to a path, for the tests: python scripts/fetch_starter.py .models/smollm2-135m.gguf"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from intramuros.models.catalogue import load
from intramuros.models.download import pull
from intramuros.models.installed import InstalledModels
from intramuros.privacy.egress import Egress


async def main(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    catalogue = load()
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        models = InstalledModels(Path(folder), catalogue)
        model = await pull(catalogue.starter.name, to=models, egress=Egress(), progress=lambda _: None)
        model.path.replace(target)
    print(f"{target} is there ({target.stat().st_size / 1e6:.0f} MB, verified)")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
