"""A headless Chromium, driven over its DevTools protocol by a pipe: nothing but Python's own library is needed.

The browser is the one in MILLRACE_TEST_CHROMIUM, else the one that `deploy/local/fetch-browser` put into MILLRACE_TEST_BROWSER.
"""

import base64
import json
import os
import pathlib
import select
import subprocess
import tempfile
import time

PATIENCE = 20
# A test's browser needs neither a sandbox, which root and containers often cannot have, nor a graphics card.
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-software-rasterizer", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--no-proxy-server", "--hide-scrollbars",
    "--remote-debugging-pipe", "--lang=en-US",
)
FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><cachedir>{cache}</cachedir></fontconfig>"""
KEYS = {"Tab": ("Tab", 9, None), "Enter": ("Enter", 13, "\r"), "End": ("End", 35, None)}


class Failed(Exception):
    """The browser refused something, or did not answer in time."""


class Browser:
    """A browser with one page at a time."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.buffer, self.number, self.answers, self.events = b"", 0, {}, []
        own = os.environ.get("MILLRACE_TEST_CHROMIUM")
        fetched = os.environ.get("MILLRACE_TEST_BROWSER")
        if not own and not fetched:
            raise SystemExit("MILLRACE_TEST_BROWSER names no browser; run the tests with `make test`")
        environment = dict(os.environ, HOME=self.folder.name)
        if not own:
            fonts = pathlib.Path(self.folder.name, "fonts.conf")
            fonts.write_text(FONTS.format(fonts=f"{fetched}/fonts", cache=f"{self.folder.name}/fonts"))
            environment["FONTCONFIG_FILE"] = str(fonts)
            # What it brings along was linked with this glibc; older systems have their own.
            if tuple(map(int, os.confstr("CS_GNU_LIBC_VERSION").split()[1].split("."))) >= (2, 34):
                environment["LD_LIBRARY_PATH"] = f"{fetched}/lib"
        to_browser, from_browser = os.pipe(), os.pipe()

        def connect():
            # Copies first: one of the pipes may be where the other has to be.
            reading, writing = os.dup(to_browser[0]), os.dup(from_browser[1])
            os.dup2(reading, 3)
            os.dup2(writing, 4)

        self.process = subprocess.Popen(
            [own or f"{fetched}/chromium", *FLAGS, f"--user-data-dir={self.folder.name}/profile", "about:blank"],
            env=environment, close_fds=False, preexec_fn=connect, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser[0])
        os.close(from_browser[1])
        self.writing, self.reading = to_browser[1], from_browser[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def call(self, method, session=None, **parameters):
        """Asks for something and waits for its answer."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.writing, data):]
        until = time.monotonic() + PATIENCE
        while self.number not in self.answers:
            self.read(until, method)
        answer = self.answers.pop(self.number)
        if "error" in answer:
            raise Failed(f"{method}: {answer['error']}")
        return answer["result"]

    def read(self, until, what):
        """Reads what the browser says, until there is something."""
        ready, _, _ = select.select([self.reading], [], [], max(0, until - time.monotonic()))
        part = os.read(self.reading, 1 << 20) if ready else b""
        if not part:
            raise Failed(f"{what}: no answer" if not ready else f"{what}: the browser ended")
        *messages, self.buffer = (self.buffer + part).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self.answers[message["id"]] = message
            else:
                self.events.append(message)

    def page(self, width=1280, height=900, dark=False, script=True, media="screen"):
        return Page(self, width, height, dark, script, media)


class Page:
    """A tab, and what it complained of and asked for."""

    def __init__(self, browser, width, height, dark, script, media):
        self.browser = browser
        self.context = browser.call("Target.createBrowserContext")["browserContextId"]
        self.target = browser.call("Target.createTarget", url="about:blank", browserContextId=self.context)["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setScriptExecutionDisabled", value=not script)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.browser.call("Target.disposeBrowserContext", browserContextId=self.context)
        self.browser.events.clear()

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def goto(self, url):
        """Opens an address; its status."""
        self.browser.events.clear()
        answer = self.call("Page.navigate", url=url)
        if "errorText" in answer:
            raise Failed(f"{url}: {answer['errorText']}")
        self.loaded()
        documents = [it for it in self.told("Network.responseReceived") if it["type"] == "Document"]
        return documents[-1]["response"]["status"]

    def loaded(self):
        """Waits until a page is loaded that was not when the events were last cleared."""
        until = time.monotonic() + PATIENCE
        while not self.told("Page.loadEventFired"):
            self.browser.read(until, "loading")

    def told(self, event):
        found = (it for it in self.browser.events if it["method"] == event and it.get("sessionId") == self.session)
        return [it["params"] for it in found]

    def complaints(self):
        """Errors on the console, exceptions, and what the policy forbade."""
        entries = [it["entry"] for it in self.told("Log.entryAdded")]
        said = [f"{it['text']} {it.get('url', '')}" for it in entries if it["level"] == "error"]
        said += [str(it["exceptionDetails"]) for it in self.told("Runtime.exceptionThrown")]
        return said + [str(it["args"]) for it in self.told("Runtime.consoleAPICalled") if it["type"] in ("error", "warning")]

    def requests(self):
        return [it["request"]["url"] for it in self.told("Network.requestWillBeSent")]

    def run(self, script):
        """The value of an expression; that of a promise, when it is one."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise Failed(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def press(self, key, shift=False):
        """A key, by its name or its character."""
        name, code, text = KEYS.get(key, (key, ord(key[0].upper()), key))
        common = {"key": name, "code": name, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **common, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def picture(self, path):
        """A picture of the whole page."""
        height = self.run("document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": self.run("innerWidth"), "height": height, "scale": 1}
        taken = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        pathlib.Path(path).write_bytes(base64.b64decode(taken["data"]))

    def wait(self, script, what, seconds=PATIENCE):
        """Waits until an expression is true; its value."""
        until = time.monotonic() + seconds
        while not (value := self.run(script)):
            if time.monotonic() > until:
                raise Failed(f"{what}: not within {seconds} s")
            time.sleep(0.1)
        return value
