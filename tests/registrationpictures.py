"""The pages of the registration and its mail as they are shown in docs/candidate.md.

    python -m tests.registrationpictures FOLDER

The pictures in docs/images are these files in a browser (`chromium --headless --screenshot`).
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from tests.ledger.registration_world import SURE, World, body_of, visit


def main(folder: Path) -> None:
    """Write every page in both languages."""
    folder.mkdir(parents=True, exist_ok=True)
    for language in ("ja", "en"):
        with tempfile.TemporaryDirectory() as store:
            visit(Path(store), Pictures(folder, language).steps)


class Pictures:
    """Walks through the registration and writes what it sees."""

    def __init__(self, folder: Path, language: str) -> None:
        self._folder = folder
        self._language = language

    async def steps(self, world: World) -> None:
        """Go through all pages."""
        language = {"lang": self._language}
        token = await world.issue()
        register = {"t": token, **language}
        await self._write("form", (await world.http.get("/register", params=register)).text)
        wrong = await world.send(token, self._language, name="", address="hanako@", privacy="")
        await self._write("errors", wrong.text)
        await self._write("sent", (await world.send(token, self._language)).text)
        (mail,) = await world.mails()
        await self._write("mail", body_of(mail, "html"))
        links = await world.links()
        for name in ("confirm", "optout", "delete"):
            page = await world.http.get(f"{links[name]}&lang={self._language}")
            await self._write(name, page.text)
        done = await world.http.post(f"{links['confirm']}&lang={self._language}", data=SURE)
        await self._write("confirmed", done.text)
        for name in ("optout", "delete"):
            done = await world.http.post(f"{links[name]}&lang={self._language}", data=SURE)
            await self._write(f"{name}-done", done.text)
        world.now[0] += timedelta(days=8)
        late = await world.http.get(f"{links['confirm']}&lang={self._language}")
        await self._write("expired", late.text)

    async def _write(self, name: str, page: str) -> None:
        path = self._folder / f"register-{name}.{self._language}.html"
        await asyncio.to_thread(path.write_text, page, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
