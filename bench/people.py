"""People at their browsers, who look at the history, export and download as the pages would have them do it."""

from __future__ import annotations

import html
import http.client
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

#: What counts as answered well.
_GOOD = (200, 204, 206, 286, 304)
#: A person whose history does not ask again comes back to the page after so long.
_REST_SECONDS = 5.0
#: How often a person leaves the page and comes back, in seconds.
_STAY_SECONDS = 20.0
_SLICE = 64 * 1024


@dataclass
class Seen:
    """What all people saw: for each kind of request the seconds until the last byte, and each wrong answer."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, kind: str, status: int, seconds: float, what: str = "") -> None:
        with self._lock:
            self.seconds.setdefault(kind, []).append(seconds)
            self.statuses[kind, status] += 1
            if status not in _GOOD:
                self.wrong.append(f"{kind}: {status} {what}")

    def failed(self, kind: str, error: Exception) -> None:
        with self._lock:
            self.wrong.append(f"{kind}: {type(error).__name__} {error}")


class Browser:
    """One signed-in person's browser: it keeps its connection, and what it may show again if it did not change."""

    def __init__(self, url: str, session: str, seen: Seen) -> None:
        self._place = urlsplit(url).netloc
        self._cookies = {"sessionid": session}
        self._seen = seen
        self._tags: dict[str, tuple[str, str]] = {}
        self._connection = http.client.HTTPConnection(self._place, timeout=60)
        self.csrf = ""

    def get(self, kind: str, path: str, *, htmx: bool = False) -> str:
        """The page at `path`; one that did not change since is the one from before. Empty where it went wrong."""
        headers = {"HX-Request": "true", "HX-Current-URL": f"http://{self._place}/"} if htmx else {}
        if path in self._tags:
            headers["If-None-Match"] = self._tags[path][0]
        status, answer, body = self._ask(kind, "GET", path, headers)
        if status == http.client.NOT_MODIFIED:
            return self._tags[path][1]
        text = body.decode(errors="replace")
        if status == http.client.OK and (tag := answer.getheader("ETag")):
            self._tags[path] = (tag, text)
        if found := re.search(r'"X-CSRFToken": "(\w+)"', html.unescape(text)):
            self.csrf = found[1]
        return text if status == http.client.OK else ""

    def post(self, kind: str, path: str, form: dict[str, str], *, page: str) -> str:
        """Send `form` as htmx does from `page`; what is answered, empty where it went wrong."""
        headers = {
            "HX-Request": "true",
            "HX-Current-URL": f"http://{self._place}{page}",
            "X-CSRFToken": self.csrf,
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": f"http://{self._place}",
        }
        status, _, body = self._ask(kind, "POST", path, headers, urlencode(form))
        return body.decode(errors="replace") if status == http.client.OK else ""

    def fetch(self, kind: str, path: str, *, rate: int, is_over: Callable[[], bool]) -> None:
        """Download what is at `path`, `rate` bytes a second at most."""
        began = time.monotonic()
        connection = http.client.HTTPConnection(self._place, timeout=60)
        try:
            connection.request("GET", path, headers=self._headers({}))
            answer = connection.getresponse()
            expected, got = int(answer.getheader("Content-Length") or 0), 0
            while piece := answer.read(_SLICE):
                got += len(piece)
                if is_over():
                    return
                time.sleep(max(began + got / rate - time.monotonic(), 0))
            status = answer.status if got == expected else 0
            self._seen.note(kind, status, time.monotonic() - began, f"{got} of {expected} bytes of {path}")
        except (OSError, http.client.HTTPException) as error:
            self._seen.failed(kind, error)
        finally:
            connection.close()

    def _ask(
        self, kind: str, method: str, path: str, headers: dict[str, str], body: str | None = None
    ) -> tuple[int, http.client.HTTPResponse, bytes]:
        began = time.monotonic()
        for attempt in range(2):
            try:
                self._connection.request(method, path, body=body, headers=self._headers(headers))
                answer = self._connection.getresponse()
                content = answer.read()
                break
            except (OSError, http.client.HTTPException):
                self._connection.close()  # the server may close a connection that rested; browsers ask again
                if attempt:
                    raise
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.partition(";")[0].partition("=")
            self._cookies[name] = value
        self._seen.note(kind, answer.status, time.monotonic() - began, path)
        return answer.status, answer, content

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items()), **more}


@dataclass
class Person:
    """Has the history of one dataset open, and may export it."""

    browser: Browser
    history: str
    seen: Seen
    is_over: threading.Event
    wanted: list[str] = field(default_factory=list)

    def look(self) -> None:
        """Open the page and let it ask for its history as it says, until it is over."""
        rng = random.Random(id(self))
        self.is_over.wait(rng.uniform(0, 3))
        while not self.is_over.is_set():
            try:
                self._stay(rng)
            except (OSError, http.client.HTTPException) as error:
                self.seen.failed("look", error)

    def _stay(self, rng: random.Random) -> None:
        until = time.monotonic() + _STAY_SECONDS * rng.uniform(0.5, 1.5)
        text = self.browser.get("page", self.history)
        while time.monotonic() < until and not self.is_over.is_set():
            if self.wanted:
                text = self.ask_for(self.wanted.pop()) or text
            asked = re.search(r'hx-get="([^"]*/history/[^"]*)"\s+hx-trigger="every ([\d.]+)(m?s)"', text)
            if asked is None:
                self.is_over.wait(_REST_SECONDS)
                return
            self.is_over.wait(float(asked[2]) / (1000 if asked[3] == "ms" else 1))
            text = self.browser.get("history", html.unescape(asked[1]), htmx=True) or text

    def ask_for(self, form: str) -> str:
        """Ask for an export through the dialog; the history as it is then."""
        page = self.history
        dialog = self.browser.get("dialog", f"{page}export/", htmx=True)
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', dialog))
        options = {"format": form, "validation_ratio": "0.2", "filtered": "on"}
        return self.browser.post("export", f"{page}export/", hidden | options, page=page)
