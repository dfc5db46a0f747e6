"""A real browser without a window: Chromium, spoken to through its DevTools pipe."""

import base64
import contextlib
import itertools
import json
import os
import pathlib
import select
import subprocess
import tempfile
import time

CHROMIUM = os.environ.get("NORMKIT_BROWSER", "chromium")
OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
           "--hide-scrollbars", "--disable-background-networking", "--remote-debugging-pipe"]


class Page:
    """One tab. What went wrong in it is in `problems`: console, exceptions, the network."""

    def __init__(self, send, receive):
        self._send, self._receive = send, receive
        self._ids = itertools.count(1)
        self._session = None
        self.problems, self.requests, self._events = [], [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        number = next(self._ids)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._send(message)
        while (answer := self._receive()).get("id") != number:
            self._note(answer)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def _note(self, event):
        method, about = event.get("method", ""), event.get("params", {})
        self._events.append(method)
        if method == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif method == "Network.loadingFailed":
            self.problems.append(f"network: {about['errorText']}")
        elif method == "Runtime.exceptionThrown":
            self.problems.append(f"exception: {about['exceptionDetails']['text']}")
        elif method == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert"):
            self.problems.append(f"console: {about['args']}")
        elif method == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.problems.append(f"log: {about['entry']['text']}")

    def open(self, path):
        """A file, or an address."""
        url = path if str(path).startswith("http://") else pathlib.Path(path).resolve().as_uri()
        self._events.clear()
        self.problems.clear()
        self.requests.clear()
        failure = self.call("Page.navigate", url=url).get("errorText")
        assert not failure, f"{path}: {failure}"
        while "Page.loadEventFired" not in self._events:
            self._note(self._receive())

    def wait_for(self, expression):
        """Until it is true in the page; the caller's time limit is the test's."""
        while not self.evaluate(f"Boolean({expression})"):
            time.sleep(0.05)

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def resize(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)

    def prefer(self, scheme):
        """"light" or "dark"."""
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self):
        """What the window shows, as the bytes of a PNG file."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])


@contextlib.contextmanager
def open_page(timeout=300):
    """A new browser with one page; the browser ends with the block."""
    read_commands, commands = os.pipe()
    answers, write_answers = os.pipe()
    start = f'exec "$0" "$@" 3<&{read_commands} 4>&{write_answers}'
    deadline = time.monotonic() + timeout
    buffer = bytearray()

    def send(message):
        os.write(commands, json.dumps(message).encode() + b"\0")

    def receive():
        while b"\0" not in buffer:
            ready, _, _ = select.select([answers], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"the browser says nothing for {timeout} s"
            part = os.read(answers, 1 << 16)
            assert part, "the browser ended"
            buffer.extend(part)
        message, _, rest = bytes(buffer).partition(b"\0")
        buffer[:] = rest
        return json.loads(message)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = subprocess.Popen(
            ["bash", "-c", start, CHROMIUM, *OPTIONS, f"--user-data-dir={profile}"],
            pass_fds=[read_commands, write_answers], stderr=subprocess.DEVNULL)
        os.close(read_commands)
        os.close(write_answers)
        try:
            yield Page(send, receive)
        finally:
            browser.terminate()
            browser.wait()
            os.close(commands)
            os.close(answers)
