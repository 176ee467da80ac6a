#!/usr/bin/env python3
"""The dashboard in a real browser, over a run that is training.

    Tests/Browser/dashboard.py [--screenshots DIR]

Starts a small run by mpirun and `dsv3 dashboard`, opens the page in headless Chromium, and looks:
do the charts have the numbers of metrics.jsonl, does everything work by keyboard, has everything a
name, is there enough contrast, does nothing come from elsewhere, is the console silent. Skips,
saying why, where there is no browser or nothing is built.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from devtools import Browser, chromium  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, ".build", "release")
SMALL = [
    "layout.pipeline=2", "layout.data=2", "layout.expert=2", "schedule.microbatches=8",
    "training.sequence=32", "training.warmup_steps=5", "checkpoint.every=0",
]


class Job:
    """A run by mpirun and a dashboard of its folder."""

    def __init__(self, steps=2000, ranks=4, settings=()):
        self.folder = tempfile.mkdtemp(prefix="dsv3-browser-")
        self.runs = os.path.join(self.folder, "runs")
        self.run = os.path.join(self.runs, "live")
        os.makedirs(self.runs)
        sets = [part for setting in [*SMALL, *settings] for part in ("--set", setting)]
        self.training = subprocess.Popen(
            [os.path.join(ROOT, ".make", "with-mpi"), "mpirun", "-n", str(ranks),
             os.path.join(BUILD, "dsv3-worker"), "--steps", str(steps), "--quiet",
             "--run-dir", self.run, *sets],
            cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
        self.dashboard = subprocess.Popen(
            [os.path.join(BUILD, "dsv3"), "dashboard", "--port", "0", "--runs", self.runs],
            stdout=subprocess.PIPE, text=True)
        self.url = self.dashboard.stdout.readline().split()[0]

    def losses(self):
        """Of metrics.jsonl, by step."""
        try:
            with open(os.path.join(self.run, "metrics.jsonl")) as file:
                lines = [json.loads(line) for line in file if line.endswith("\n")]
        except FileNotFoundError:
            return {}
        return {line["step"]: line["loss"] for line in lines}

    def wait(self, steps, seconds=90):
        end = time.time() + seconds
        while len(self.losses()) < steps:
            if self.training.poll() is not None:
                raise RuntimeError(self.training.stderr.read().decode()[-2000:])
            if time.time() > end:
                raise RuntimeError("the run doesn't get on")
            time.sleep(0.2)

    def close(self):
        if self.training.poll() is None:
            os.killpg(self.training.pid, signal.SIGKILL)
        self.training.wait()
        self.dashboard.send_signal(signal.SIGTERM)
        code = self.dashboard.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)
        return code


failures = []


def check(is_true, what):
    print(("ok    " if is_true else "FAIL  ") + what)
    if not is_true:
        failures.append(what)


def check_figures(browser, job):
    """The newest figures of the page are those of the file."""
    shown = browser.wait(
        "(() => { const one = document.querySelector('[data-latest=loss]');"
        " return one?.dataset.value && [Number(one.dataset.step), Number(one.dataset.value),"
        " one.textContent] })()")
    check(bool(shown), "the loss chart has a value")
    step, value, text = shown
    losses = job.losses()
    check(losses.get(step) == value, f"it is the loss of step {step}: {value} ({text})")
    check(abs(float(text) - value) < 1e-3 * abs(value), "rounded as it is shown")
    later = browser.wait(
        f"Number(document.querySelector('[data-latest=loss]').dataset.step) > {step}")
    check(later, "a later step follows by itself")
    points = browser.evaluate(
        "document.querySelector('figure path.line').getAttribute('d').match(/[ML]/g).length")
    check(points > 3, f"the line has {points} points")


def check_timeline(browser, job):
    count = browser.wait("document.querySelectorAll('#timeline-window').length"
                         " && document.querySelectorAll('.draggable rect.F').length")
    check(bool(count), f"the timeline has {count} forwards")
    with open(os.path.join(job.run, "timeline.json")) as file:
        ranks = len(json.load(file)["ranks"])
    lanes = browser.evaluate("document.querySelectorAll('.draggable rect.lane').length")
    check(lanes == ranks, f"and {ranks} ranks")
    browser.evaluate("document.querySelector('.draggable').focus()")
    wide = ("Math.max(...[...document.querySelectorAll('.draggable rect.F')]"
            ".map((one) => Number(one.getAttribute('width'))))")
    before = browser.evaluate(wide)
    for key in ("ArrowRight", "ArrowRight", "+", "+"):
        browser.press(key)
    said = browser.evaluate("document.querySelector('.draggable').closest('figure')"
                            ".querySelector('output').textContent")
    check("rank" in said and "long" in said, f"arrow keys read: {said}")
    check(browser.evaluate(wide) > 2 * before, "plus zooms in")
    browser.press("0")
    check(browser.evaluate(wide) < 1.5 * before, "0 shows all again")


def check_rest(browser, job):
    with open(os.path.join(job.run, "loads.jsonl")) as file:
        layers = json.loads(file.readline())["layers"]
    cells = browser.wait("document.querySelectorAll('.cell').length")
    expected = sum(len(layer["tokens"]) for layer in layers)
    check(cells == expected, f"the heat map has {cells} experts")
    browser.evaluate("document.querySelector('.charts svg').focus()")
    browser.press("End")
    browser.press("ArrowLeft")
    said = browser.evaluate("document.querySelector('.charts output').textContent")
    check(said.startswith("step "), f"arrow keys read a chart: {said}")
    browser.evaluate("document.querySelector('.charts details').open = true")
    rows = browser.wait("document.querySelectorAll('.charts details tbody tr').length")
    check(rows > 3, f"a chart is a table, too: {rows} rows")
    for part in ("memory", "links", "ranks", "config", "events"):
        text = browser.wait(f"document.getElementById('{part}').closest('section').innerText")
        check(len(text) > 40, f"{part} has {len(text)} characters")
    browser.evaluate("document.getElementById('pause').click()")
    time.sleep(2)
    # What the browser told meanwhile is read with the next answer.
    browser.evaluate("1")
    before = len(browser.requests)
    time.sleep(3)
    browser.evaluate("1")
    check(len(browser.requests) == before, "nothing is asked for while it is paused")
    browser.evaluate("document.getElementById('pause').click()")


CONTRAST = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const light = (name) => {
    canvas.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name);
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((part) =>
      part / 255 <= .04045 ? part / 255 / 12.92 : ((part / 255 + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  return PAIRS.map(([one, two]) => {
    const [low, high] = [light(one), light(two)].sort((a, b) => a - b);
    return [one, two, (high + .05) / (low + .05)];
  });
})()"""


def check_contrast(browser, name):
    """WCAG 2.1 AA: text 4.5, parts of pictures 3."""
    text = [[one, ground] for one in ("--text", "--muted", "--accent", "--good", "--warn", "--bad")
            for ground in ("--panel", "--page")]
    text += [["--on", kind] for kind in ("--F", "--B", "--I")] + [["--onW", "--W"]]
    parts = [[one, "--panel"] for one in ("--one", "--two", "--F", "--B", "--I", "--O")]
    for pairs, least in ((text, 4.5), (parts, 3)):
        found = browser.evaluate(CONTRAST.replace("PAIRS", json.dumps(pairs)))
        poor = [f"{one} on {two}: {ratio:.2f}" for one, two, ratio in found if ratio < least]
        check(not poor, f"{name}: contrast of at least {least} {poor or ''}")


def check_names(browser):
    """Whatever can be operated has a name for screen readers."""
    browser.call("Accessibility.enable")
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    wanted = {"button", "link", "img", "image", "region", "table", "heading", "checkbox"}
    nameless = [
        node["role"]["value"] for node in nodes if not node.get("ignored")
        and node.get("role", {}).get("value") in wanted
        and not node.get("name", {}).get("value", "").strip()]
    check(not nameless, f"of {len(nodes)} parts none lacks a name {nameless or ''}")


def look(browser, job, screenshots):
    browser.view(1360, 900)
    browser.open(job.url)
    link = browser.wait("document.querySelector('tbody a')?.textContent")
    check(link == "live", "the list has the run")
    browser.evaluate("document.querySelector('tbody a').click()")
    check(browser.wait("document.querySelector('h1').textContent === 'live'"), "its page opens")
    check_figures(browser, job)
    check_timeline(browser, job)
    check_rest(browser, job)
    check_names(browser)
    for dark in (False, True):
        browser.view(1360, 900, dark)
        check_contrast(browser, "dark" if dark else "light")
    for width, height, phone in ((1360, 900, False), (390, 844, True)):
        browser.view(width, height, phone=phone)
        time.sleep(0.5)
        inside = browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
        check(inside, f"nothing is wider than {width} pixels")
        browser.evaluate("document.activeElement.blur(); window.scrollTo(0, 0);"
                         "document.querySelectorAll('details').forEach((one) =>"
                         " { one.open = false; })")
        for dark in (False, True) if screenshots else ():
            browser.view(width, height, dark, 2 if phone else 1, phone)
            time.sleep(1)
            name = f"{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}.png"
            browser.screenshot(os.path.join(screenshots, name), whole=True)
    other = [url for url in browser.requests if not url.startswith(job.url)
             and url != "about:blank" and not url.startswith("data:")]
    check(not other, f"of {len(browser.requests)} requests none goes elsewhere {other or ''}")
    check(not browser.complaints, f"the console is silent {browser.complaints or ''}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--screenshots", metavar="DIR")
    arguments = parser.parse_args()
    path = chromium()
    for missing, what in ((path is None, "no Chromium"), (not shutil.which("mpirun"), "no mpirun"),
                          (not os.path.exists(os.path.join(BUILD, "dsv3-worker")), "no build")):
        if missing:
            print(f"skipped: there is {what} here")
            return 0
    if arguments.screenshots:
        os.makedirs(arguments.screenshots, exist_ok=True)
    job = Job()
    browser = None
    try:
        job.wait(steps=5)
        browser = Browser(path)
        look(browser, job, arguments.screenshots)
        with urllib.request.urlopen(job.url + "metrics", timeout=10) as reply:
            metrics = reply.read()
        if shutil.which("promtool"):
            result = subprocess.run(["promtool", "check", "metrics"], input=metrics)
            check(result.returncode == 0, "promtool has no complaint about /metrics")
        else:
            print("skipped: there is no promtool here")
    finally:
        if browser:
            browser.close()
        code = job.close()
    check(code == 0, "the dashboard ends when it is asked to")
    print(f"{len(failures)} failures" if failures else "all is well")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
