"""Takes the pictures of the wall that the README shows, from the running demo: `make pictures`.

A fresh demo runs until its bins have lived a little, a real Chromium looks at it in light and in
dark, and the files are made small: flat colours need few of them.
"""

import argparse
import io
import re
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from cloud.embedded.programs import free_port
from tests.browser.conftest import ARGUMENTS
from tests.system.conftest import Demo

FOLDER = Path("deploy/pictures")
SIZE = {"width": 1280, "height": 800}
COLOURS = 96
LIVED_S = 75


def take(browser: Browser, demo: Demo, scheme: str) -> Image.Image:
    context = browser.new_context(viewport=SIZE, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{demo.port}/login")
    page.get_by_label("Mail address").fill("operations@demo.binline")
    page.get_by_label("Password").fill(_password(demo))
    page.keyboard.press("Enter")
    page.get_by_text("Live").first.wait_for()
    page.wait_for_timeout(1_500)
    picture = Image.open(io.BytesIO(page.screenshot()))
    context.close()
    return picture


def _password(demo: Demo) -> str:
    found = re.search(r"operations@demo\.binline +(\S+)", demo.output)
    assert found, demo.output
    return found[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    chosen = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="binline-pictures-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        demo = Demo(home / "home", free_port())
        try:
            demo.wait_until_up()
            time.sleep(LIVED_S)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=chosen.chromium, args=ARGUMENTS
                )
                for scheme in ("light", "dark"):
                    path = FOLDER / f"wall-{scheme}.png"
                    small = take(browser, demo, scheme).convert("RGB").quantize(COLOURS)
                    small.save(path, optimize=True)
                    print(f"{path}: {path.stat().st_size // 1024} kB")  # noqa: T201 - it is a command
                browser.close()
        finally:
            demo.stop()


if __name__ == "__main__":
    main()
