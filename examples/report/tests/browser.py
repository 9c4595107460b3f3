"""Opens pages in a headless Chromium and looks at them: wide and narrow, light and dark.

    python3 browser.py PAGE.html... [--shots DIR] [--seconds 3]

No package is needed: the browser is spoken to over its debugging pipe. Ends with 77 if there is no Chromium."""

import argparse
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
CHARTS = [
    "load", "thresholds", "success", "utilization", "forecast", "reliability", "cost", "energy", "hardware",
    "refusals", "timeline", "decisions",
]


class Browser:
    """A headless browser with one tab."""

    def __init__(self, program, profile):
        here_in, there_out = os.pipe()
        there_in, here_out = os.pipe()
        flags = ["--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run",
                 "--disable-dev-shm-usage", "--hide-scrollbars", f"--user-data-dir={profile}", "about:blank"]
        # The browser reads its commands from 3 and answers on 4.
        spawn = 'exec "$0" "$@" 3<&%d 4>&%d' % (there_in, there_out)
        self.process = subprocess.Popen(["bash", "-c", spawn, program, *flags], pass_fds=(there_in, there_out),
                                        stderr=subprocess.DEVNULL)
        os.close(there_in)
        os.close(there_out)
        self.reads, self.writes = os.fdopen(here_in, "rb"), os.fdopen(here_out, "wb")
        self.number, self.rest, self.events, self.session = 0, b"", [], None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Network", "Log"]:
            self.call(domain + ".enable")

    def receive(self):
        while b"\0" not in self.rest:
            chunk = self.reads.read1(1 << 20)
            if not chunk:
                raise RuntimeError("the browser is gone")
            self.rest += chunk
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.writes.write(json.dumps(message).encode() + b"\0")
        self.writes.flush()
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.receive())

    def value(self, script):
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def close(self):
        self.process.terminate()
        self.process.wait(10)


def faults_of(events):
    """Everything that a page should not have done."""
    faults = []
    for event in events:
        method, told = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            faults.append("exception: " + json.dumps(told)[:300])
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            faults.append("console: " + json.dumps(told["args"])[:300])
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            faults.append("log: " + told["entry"]["text"])
        elif method == "Network.requestWillBeSent" and not told["request"]["url"].startswith(("file:", "data:")):
            faults.append("request: " + told["request"]["url"])
    return faults


# Every chart is there with data, or says why it is not; nothing sticks out of the page.
LOOK = """
(() => {
  const faults = [], empty = [];
  for (const name of %s) {
    const section = document.getElementById(name);
    if (!section) { faults.push(name + " is missing"); continue; }
    const drawn = [...section.querySelectorAll(".picture")].filter((it) => it.getBoundingClientRect().width > 0);
    const marks = drawn.flatMap((it) => [...it.querySelectorAll(".h,[data-v]")]);
    if (section.querySelector("tbody tr")) continue;
    if (marks.length === 0) (section.querySelector(".none") ? empty : faults).push(name + " shows nothing");
  }
  if (document.documentElement.scrollWidth > innerWidth) faults.push("the page is wider than the screen");
  return { faults, empty, paper: getComputedStyle(document.body).backgroundColor };
})()
"""

# The middle of a mark of each picture that can be seen, once it is scrolled to.
AIM = """
(() => {
  const svg = [...document.querySelectorAll("#%s .picture")].find((it) => it.getBoundingClientRect().width > 0);
  const marks = svg ? [...svg.querySelectorAll("[data-s],.s,[data-v]")] : [];
  const mark = marks[Math.floor(marks.length * %s)];
  if (!mark) return null;
  mark.scrollIntoView({ block: "center", behavior: "instant" });
  const box = mark.getBoundingClientRect();
  return [box.left + box.width / 2, Math.min(Math.max(box.top + box.height / 2, 60), innerHeight - 10)];
})()
"""
TIP = 'document.getElementById("tip").matches(".shown") ? document.getElementById("tip").textContent : ""'
FOCUS = """[...document.querySelectorAll("#%s .picture")].find((it) => it.getBoundingClientRect().width > 0).focus()"""
PAINTED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))"


def look(browser, page, width, scheme, shots):
    """Looks at one page; gives back its faults, the seconds it took, its charts without data, its paper."""
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.events.clear()
    start = time.monotonic()
    browser.call("Page.navigate", url=page.as_uri())
    browser.wait("Page.loadEventFired")
    browser.value(PAINTED)
    seconds = time.monotonic() - start
    seen = browser.value(LOOK % json.dumps(CHARTS))
    faults = seen["faults"]
    empty = {it.split()[0] for it in seen["empty"]}
    for name in CHARTS:
        # The middle of a bent arrow is beside it: then another mark is tried.
        tip = spot = None
        for share in (0.5, 0.1, 0.3, 0.7, 0.9):
            spot = browser.value(AIM % (name, share)) if name not in empty else None
            if not spot:
                break
            browser.value(PAINTED)
            browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=spot[0], y=spot[1])
            tip = browser.value(TIP)
            if tip:
                break
        if not spot:
            continue
        if not tip:
            faults.append(f"{name}: hovering shows nothing")
        elif name == "timeline" and "task" not in tip:
            faults.append(f"{name}: hovering does not name a task: {tip}")
        browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
        browser.value(FOCUS % name)
        browser.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight", code="ArrowRight")
        if not browser.value(TIP):
            faults.append(f"{name}: an arrow key shows nothing")
        browser.call("Input.dispatchKeyEvent", type="keyDown", key="Escape", code="Escape")
    if shots:
        # Sections that are off the screen are not painted until they are scrolled to.
        browser.value("document.querySelectorAll('section').forEach((it) => it.style.contentVisibility = 'visible')")
        browser.value("scrollTo(0, 0)")
        height = min(browser.value("document.documentElement.scrollHeight"), 12_000)
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = browser.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        name = f"{page.stem}-{width}-{scheme}.png"
        (shots / name).write_bytes(base64.b64decode(shot["data"]))
    return faults + faults_of(browser.events), seconds, sorted(empty), seen["paper"]


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("pages", nargs="+", type=pathlib.Path)
    options.add_argument("--shots", type=pathlib.Path, help="keep a picture of every look in this directory")
    options.add_argument("--seconds", type=float, default=3.0, help="a page may take so long until it can be used")
    asked = options.parse_args()
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not program:
        print("skipped: no Chromium on this machine")
        sys.exit(77)
    if asked.shots:
        asked.shots.mkdir(parents=True, exist_ok=True)
    failed = False
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(program, profile)
        try:
            for page in asked.pages:
                papers = set()
                for width, scheme in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]:
                    faults, seconds, empty, paper = look(browser, page.resolve(), width, scheme, asked.shots)
                    papers.add(paper)
                    if seconds > asked.seconds:
                        faults.append(f"took {seconds:.1f} s, may take {asked.seconds} s")
                    without = f", without data: {', '.join(empty)}" if empty else ""
                    print(f"{page.name} {width} {scheme}: {seconds:.2f} s, {len(faults)} faults{without}")
                    print("".join(f"  {fault}\n" for fault in faults), end="")
                    failed |= bool(faults)
                if len(papers) != 2:
                    print(f"  {page.name}: light and dark look alike")
                    failed = True
        finally:
            browser.close()
    sys.exit(failed)


main()
