"""Looks at a report.html as its readers do: in Chromium, wide and on a phone, light, dark and on paper.

    python scripts/look_at_page.py results/quickstart/report.html /tmp/pictures

Needs `chromium` on the path, and nothing else. Writes a picture of the whole page for each width and scheme, and
page.pdf. Ends with 1 where something is wrong: a console message, a request, a page wider than its window, letters
below 9 pixels in a figure, something that scrolls and cannot be reached by the keyboard, more than 5 sheets of paper.

Outcome, 2026-12-01, Chromium 150, of quickstart's page (three models, 8 seeds, three probes): nothing is wrong; letters
of 9.4 pixels at 1280 and 10.7 at 390, 5 sheets, no message, no request. The same of a sweep of six points (2 sheets)
and of a page of eight studies (2). Before figures were smaller on paper quickstart's had 6 sheets, and was refused. On
2026-11-30 the same of digits (4 sheets), reversal (5), fourteen made-up models (5) and names that are HTML (4).
"""

import argparse
import base64
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

WIDTHS = {1280: 900, 390: 844}  # and the window's height
SMALLEST = 9.0  # pixels of a figure's letters
MOST_SHEETS = 5
_MEASURE = """(() => {
  const shown = element => element.getClientRects().length > 0;
  const letters = [...document.querySelectorAll("svg.plot text")].filter(shown);
  const scale = ({a, b}) => Math.hypot(a, b);  // whichever way it is turned
  const size = text => parseFloat(getComputedStyle(text).fontSize) * scale(text.getScreenCTM());
  const scrolls = [...document.querySelectorAll("*")].filter(
    e => shown(e) && e.scrollWidth > e.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(e).overflowX));
  return {
    letters: letters.length ? Math.min(...letters.map(size)) : null,
    wider: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    height: document.documentElement.scrollHeight,
    scrolls: scrolls.length,
    unreached: scrolls.filter(e => e.tabIndex < 0).length,
  };
})()"""


class Browser:
    """Chromium without a window, told what to do through a pipe (its DevTools protocol)."""

    def __init__(self, program: str, profile: str):
        orders, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe"]
        options += [f"--user-data-dir={profile}", "--no-first-run", "--disable-background-networking", "about:blank"]
        piped = f'exec "$0" "$@" 3<&{orders} 4>&{answers}'
        self._process = subprocess.Popen(
            ["bash", "-c", piped, program, *options], pass_fds=(orders, answers), stderr=subprocess.DEVNULL
        )
        os.close(orders)
        os.close(answers)
        self._count, self._rest, self.events = itertools.count(1), b"", []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    _session: str | None = None

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """An order, and what came of it; events on the way are kept."""
        number = next(self._count)
        order: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            order["sessionId"] = self._session
        os.write(self._orders, json.dumps(order).encode() + b"\0")
        for message in self._messages():
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]
            self.events.append(message)
        raise RuntimeError(f"{method}: the browser ended")

    def wait(self, event: str) -> None:
        """Until it happens."""
        if not any(message.get("method") == event for message in self.events):
            for message in self._messages():
                self.events.append(message)
                if message.get("method") == event:
                    return

    def close(self) -> None:
        """Ends it."""
        os.close(self._orders)
        self._process.wait()

    def _messages(self) -> Iterator[dict[str, Any]]:
        while True:
            while b"\0" not in self._rest:
                part = os.read(self._answers, 1 << 20)
                if not part:
                    return
                self._rest += part
            line, self._rest = self._rest.split(b"\0", 1)
            yield json.loads(line)


def look(browser: Browser, page: Path, directory: Path) -> list[str]:
    """What is wrong with a page; pictures of it go to the directory."""
    wrong: list[str] = []
    for name in ("Page", "Runtime", "Log", "Network"):
        browser.ask(f"{name}.enable")
    for (width, height), scheme in itertools.product(WIDTHS.items(), ("light", "dark")):
        phone = width < 600
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        browser.ask("Emulation.setDeviceMetricsOverride", **size)
        emulated = {"media": "screen", "features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.ask("Emulation.setEmulatedMedia", **emulated)
        browser.events.clear()
        browser.ask("Page.navigate", url=page.absolute().as_uri())
        browser.wait("Page.loadEventFired")
        found = browser.ask("Runtime.evaluate", expression=_MEASURE, returnByValue=True)["result"]["value"]
        where = f"{width} {scheme}"
        print(f"{where}: {found}")
        wrong += [f"{where}: {complaint}" for complaint in [*_complaints(found), *_heard(browser.events, page)]]
        picture = browser.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        (directory / f"{width}-{scheme}.png").write_bytes(base64.b64decode(picture))
    browser.ask("Emulation.clearDeviceMetricsOverride")
    browser.ask("Emulation.setEmulatedMedia", media="", features=[])
    paper = browser.ask("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"]
    (directory / "page.pdf").write_bytes(base64.b64decode(paper))
    sheets = len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(paper)))
    print(f"paper: {sheets} sheets")
    return wrong + [f"paper: {sheets} sheets, wanted at most {MOST_SHEETS}"] * (sheets > MOST_SHEETS)


def _complaints(found: dict[str, Any]) -> Iterator[str]:
    if found["letters"] is not None and found["letters"] < SMALLEST:
        yield f"letters of {found['letters']:.2f} pixels in a figure, wanted {SMALLEST}"
    if found["wider"] > 0:
        yield f"the page is {found['wider']} pixels wider than its window"
    if found["unreached"]:
        yield f"{found['unreached']} of {found['scrolls']} things that scroll are not reached by the keyboard"


def _heard(events: list[dict[str, Any]], page: Path) -> Iterator[str]:
    """Console messages, errors and requests."""
    for event in events:
        method, told = event.get("method"), event.get("params", {})
        if method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            yield f"{method}: {json.dumps(told)[:300]}"
        if method == "Network.requestWillBeSent":
            url = told["request"]["url"]
            if url != page.absolute().as_uri() and not url.startswith("data:"):
                yield f"it asked for {url}"


def main(argv: Sequence[str] | None = None) -> int:
    """Looks, and says what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("pictures", type=Path)
    arguments = parser.parse_args(argv)
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        print("chromium: not found", file=sys.stderr)
        return 2
    arguments.pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(program, profile)
        try:
            wrong = look(browser, arguments.page, arguments.pictures)
        finally:
            browser.close()
    print("\n".join(wrong) or "nothing is wrong")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
