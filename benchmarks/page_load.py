"""Opening the labeling page with its front-end files from Label Studio, and with the same files from Caddy.

One real instance and one Caddy; the two sides alternate in one run, each load in a browser context of its own (cold: an
empty cache) and then once more in the same one (warm). Milliseconds until the task's choices can be clicked, the
requests that the browser got answered by the network, how many of them reached Label Studio's Python, the bytes that
came over the wire, and the processor seconds of Label Studio (its process and those below it) and of Caddy. JSON.

    python -m benchmarks.page_load [--rounds 5]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

from annotator_ops.labelstudio import LabelStudio, ProjectSettings
from annotator_ops.models import Route, Task
from annotator_ops.proxies import ProxyPlan
from annotator_ops.proxies.caddy import CaddyProxy
from annotator_ops.secret import Secret
from benchmarks.common import machine
from tests.chromium import chromium
from tests.proxies.wire import send
from tests.real import RealInstance, free_port, prepared_installation, real_instance

EMAIL = "anna@example.org"
LABEL_CONFIG = """<View>
  <Text name="dialogue" value="$text"/>
  <Choices name="quality" toName="dialogue" choice="single" required="true">
    <Choice value="poor"/><Choice value="fair"/><Choice value="good"/>
  </Choices>
</View>"""
CONTROLS = ".lsf-choice__item"
SIDES = ("instance", "caddy")
WAIT_MS = 120_000


@dataclass(frozen=True, slots=True)
class Load:
    """What one load of the page took."""

    milliseconds: float
    requests: int
    reached_python: int
    megabytes: float
    label_studio_seconds: float
    caddy_seconds: float


@dataclass(frozen=True, slots=True)
class Scene:
    """The instance and the proxy that stand through the whole run."""

    instance: RealInstance
    proxy: CaddyProxy
    plan: ProxyPlan
    label_studio_pids: tuple[int, ...]
    caddy_pids: tuple[int, ...]
    project: int
    password: str

    @property
    def origin(self) -> str:
        return f"http://anna.localhost:{self.plan.port}"

    def switch(self, side: str, static: Path) -> None:
        """Serve the front end's files from this side."""
        route = replace(self.plan.routes[0], static=static if side == "caddy" else None)
        self.proxy.apply(replace(self.plan, routes=(route,)))


def processor_seconds(pids: tuple[int, ...]) -> float:
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(int(field) for field in fields[11:15])  # user and system, own and ended children's
    return ticks / os.sysconf("SC_CLK_TCK")


def serving(port: int) -> tuple[int, ...]:
    """The processes that hold the listening socket of a port of this machine, and those below them."""
    inodes = {
        f"socket:[{line.split()[9]}]"
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and int(line.split()[1].rpartition(":")[2], 16) == port
    }
    found: set[int] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # one that has just ended
            if any(os.readlink(link) in inodes for link in (folder / "fd").iterdir()):  # noqa: PTH115 - no path
                found |= with_children(int(folder.name))
    if not found:
        raise RuntimeError(f"nothing listens on port {port}")
    return tuple(sorted(found))


def with_children(pid: int) -> set[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {pid}.union(*(with_children(int(child)) for child in children))


def prepare(root: Path, stack: contextlib.ExitStack) -> Scene:
    port = free_port()
    instance = stack.enter_context(real_instance(root / "instance", public_url=f"http://anna.localhost:{port}"))
    password = secrets.token_urlsafe(12)
    with LabelStudio(instance.url, Secret(instance.operator_token)) as client:
        client.ensure_annotator(EMAIL, Secret(password), "Anna")
        project = client.ensure_project(ProjectSettings("A study", LABEL_CONFIG, "", "benchmark"))
        client.import_tasks(project, [Task(f"t{n}", {"id": f"t{n}", "text": f"Dialogue {n}"}) for n in range(40)])
    route = Route("anna", "anna", f"127.0.0.1:{instance.port}", project)
    plan = ProxyPlan(port, f"http://localhost:{port}", "subdomain", (route,))
    proxy = CaddyProxy("benchmark", root / "state")
    stack.callback(proxy.stop)
    proxy.apply(plan)
    # Only pages of one origin are loaded: the instance is warm before anything is counted.
    assert send(port, "GET", "/user/login/", headers=[("Host", f"anna.localhost:{port}")]).status == 200
    return Scene(instance, proxy, plan, serving(instance.port), serving(port), project, password)


def signed_in(scene: Scene, browser: Browser) -> list[Any]:
    """The cookies of the annotator's session, so that every load begins in a new and empty browser."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{scene.origin}/user/login/")
    page.fill("input[name=email]", EMAIL)
    page.fill("input[name=password]", scene.password)
    with page.expect_response(lambda response: "id=next_task" in response.url, timeout=WAIT_MS):
        page.click("button[type=submit]")
    page.locator(CONTROLS).first.wait_for(timeout=WAIT_MS)
    cookies = context.cookies()
    context.close()
    return cookies


def load(scene: Scene, context: BrowserContext, static: frozenset[str]) -> Load:
    """Open the labeling page as the annotator's link does, until the choices are there and the network is quiet."""
    page: Page = context.new_page()
    network = context.new_cdp_session(page)
    answered: dict[str, str] = {}
    cached: set[str] = set()
    sizes: list[float] = []

    def answer(event: dict[str, Any]) -> None:
        url, origin = event["response"]["url"], event["response"]
        answered[event["requestId"]] = url
        if origin.get("fromDiskCache") or origin.get("fromServiceWorker") or not url.startswith(scene.origin):
            cached.add(event["requestId"])

    network.on("Network.responseReceived", answer)
    network.on("Network.requestServedFromCache", lambda event: cached.add(event["requestId"]))
    network.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    network.send("Network.enable")
    before = processor_seconds(scene.label_studio_pids), processor_seconds(scene.caddy_pids)
    began = time.perf_counter()
    page.goto(f"{scene.origin}/projects/{scene.project}/data?labeling=1", wait_until="commit")
    page.locator(CONTROLS).first.wait_for(timeout=WAIT_MS)
    milliseconds = (time.perf_counter() - began) * 1000
    page.wait_for_load_state("networkidle")
    after = processor_seconds(scene.label_studio_pids), processor_seconds(scene.caddy_pids)
    page.close()
    urls = [url.removeprefix(scene.origin).partition("?")[0] for key, url in answered.items() if key not in cached]
    return Load(
        milliseconds=milliseconds,
        requests=len(urls),
        reached_python=sum(url not in static and url != "/heidi-tips/" for url in urls),
        megabytes=sum(sizes) / 1e6,
        label_studio_seconds=after[0] - before[0],
        caddy_seconds=after[1] - before[1],
    )


def measure(scene: Scene, browser: Browser, static: Path, rounds: int) -> dict[str, dict[str, list[Load]]]:
    there = frozenset(f"/{path.relative_to(static).as_posix()}" for path in static.rglob("*") if path.is_file())
    cookies = signed_in(scene, browser)
    found: dict[str, dict[str, list[Load]]] = {side: {"cold": [], "warm": []} for side in SIDES}
    for number in range(rounds + 1):
        for side in SIDES if number % 2 else reversed(SIDES):
            scene.switch(side, static)
            by_caddy = there if side == "caddy" else frozenset()
            context = browser.new_context()
            context.add_cookies(cookies)
            cold, warm = (load(scene, context, by_caddy) for _ in range(2))
            context.close()
            if number:  # the first round warms up both sides
                found[side]["cold"].append(cold)
                found[side]["warm"].append(warm)
    return found


def middle(loads: list[Load]) -> dict[str, float]:
    return {name: round(median(getattr(each, name) for each in loads), 3) for name in Load.__slots__}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    about = machine()
    static = prepared_installation().static_files()
    assert static is not None, "this installation has no folder of front-end files"
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder, contextlib.ExitStack() as stack:
        scene = prepare(Path(folder), stack)
        browser = stack.enter_context(chromium())
        found = measure(scene, browser, static, options.rounds)
    medians = {side: {cache: middle(loads) for cache, loads in caches.items()} for side, caches in found.items()}
    report = {
        "benchmark": "page_load",
        "machine": about,
        "rounds": options.rounds,
        "median": medians,
        "milliseconds": {
            side: {cache: [round(one.milliseconds) for one in loads] for cache, loads in caches.items()}
            for side, caches in found.items()
        },
        "caddy_over_instance": {
            cache: {
                name: round(medians["caddy"][cache][name] / (medians["instance"][cache][name] or 1), 3)
                for name in ("milliseconds", "reached_python", "label_studio_seconds")
            }
            for cache in ("cold", "warm")
        },
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
