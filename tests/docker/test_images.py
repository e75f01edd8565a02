"""Images that are not ours: those with another layout run, those that cannot are told apart and say why."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from annotator_ops.errors import OpsError
from annotator_ops.models import LabelStudioChoice
from annotator_ops.runtimes.docker_check import can_run
from annotator_ops.runtimes.docker_images import _pythons, _split
from annotator_ops.runtimes.image import LOCAL_BASE, REGISTRY_BASE, has_image, image_tag
from tests.docker.conftest import CHOICE, Bench, ask
from tests.real import VERSION, wait_healthy

PACKAGE = "/opt/label-studio/lib/python3.11/site-packages/label_studio"


def quiet(_sentence: str, _done: float | None) -> None:
    """Nobody watches."""


def built(client: docker.DockerClient, tag: str, dockerfile: str) -> str:
    client.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=tag, rm=True, forcerm=True)
    return tag


@pytest.fixture(scope="module")
def elsewhere(client: docker.DockerClient) -> Iterator[str]:
    """Label Studio at another place, of another user, and on no PATH, with only a command that names it."""
    tag = built(
        client,
        "annotator-ops-test/elsewhere:1",
        f"FROM {image_tag(VERSION)}\nUSER 0\n"
        # The packages stay where they are, since copying a gigabyte takes a minute; all that leads to them moves.
        "RUN rm -r /opt/annotator-ops /opt/label-studio/bin && python3 -m venv --without-pip /srv/tools/studio"
        " && echo /opt/label-studio/lib/python3.11/site-packages"
        " > /srv/tools/studio/lib/python3.11/site-packages/studio.pth\n"
        "USER 1500:1500\nEXPOSE 9999\nENTRYPOINT []\n"
        'CMD ["/srv/tools/studio/bin/label-studio", "start"]\n',
    )
    yield tag
    client.images.remove(tag, force=True)


@pytest.mark.docker
@pytest.mark.labelstudio
def test_an_image_with_another_layout_serves_annotators(bench: Bench, elsewhere: str) -> None:
    choice = LabelStudioChoice(VERSION, image=elsewhere)
    report = can_run(choice, bench.root, quiet)
    assert report.problems == ()
    assert report.version == VERSION
    assert report.seconds is not None
    assert report.memory is not None
    assert report.memory > 50 * 1024**2
    assert {path.name for path in bench.root.iterdir()} <= {"images", "network.lock"}, "the trial is cleaned up"

    began = time.monotonic()
    bench.runtime.prepare(choice, quiet)
    assert time.monotonic() - began < 5, "what the trial found out is used again"
    spec = bench.spec("anna", choice=choice)
    bench.runtime.seed(spec)
    bench.runtime.start(spec)
    wait_healthy(spec.port)
    container = bench.container("anna")
    assert container.attrs["Path"] == "/srv/tools/studio/bin/python3"
    assert list(container.attrs["NetworkSettings"]["Ports"]["8080/tcp"]) == [
        {"HostIp": "127.0.0.1", "HostPort": str(spec.port)}
    ]
    assert not container.attrs["NetworkSettings"]["Ports"].get("9999/tcp"), "what the image exposes stays closed"
    check = container.attrs["Config"]["Healthcheck"]["Test"][1:]
    assert container.exec_run(check)[0] == 0
    assert ask(container, "def probe():\n    import os\n    return os.getuid()\n", python=check[0]) == 10001
    again = bench.another_runtime()
    assert again.start(spec) == container.id


@pytest.mark.docker
@pytest.mark.labelstudio
@pytest.mark.parametrize(
    ("name", "lines", "sentence"),
    [
        pytest.param(
            "without", "FROM {base}\n", "has no Python that can import Label Studio", id="without-label-studio"
        ),
        pytest.param(
            "private",
            "FROM {ours}\nUSER 0\nRUN chmod 0700 /opt/label-studio/lib\n",
            "as user 10001:10001",
            id="only-for-its-own-user",
        ),
        pytest.param(
            "writer",
            "FROM {ours}\nUSER 0\nRUN echo \"open('/opt/state', 'w')\" >> "
            + PACKAGE
            + "/core/settings/label_studio.py\n",
            "Read-only file system: '/opt/state'",
            id="writes-elsewhere",
        ),
        pytest.param(
            "caller",
            "FROM {ours}\nUSER 0\nRUN echo \"import socket; socket.create_connection(('127.0.0.1', 9), 5)\" >> "
            + PACKAGE
            + "/core/settings/label_studio.py\n",
            "Operation not permitted",
            id="connects",
        ),
    ],
)
def test_an_image_that_cannot_work_says_why(
    bench: Bench, client: docker.DockerClient, name: str, lines: str, sentence: str
) -> None:
    base = REGISTRY_BASE if has_image(client, REGISTRY_BASE) else LOCAL_BASE
    tag = built(client, f"annotator-ops-test/{name}:1", lines.format(ours=image_tag(VERSION), base=base))
    try:
        report = can_run(LabelStudioChoice(VERSION, image=tag), bench.root, quiet)
        assert [problem.code for problem in report.problems] == ["image-unfit"]
        assert sentence in report.problems[0].message
        assert tag in report.problems[0].message
        with pytest.raises(OpsError) as caught:
            bench.runtime.prepare(LabelStudioChoice(VERSION, image=tag), quiet)
        assert caught.value.code == "image-unfit"
    finally:
        client.images.remove(tag, force=True)
    assert not client.containers.list(all=True, filters={"ancestor": tag})


@pytest.mark.docker
@pytest.mark.labelstudio
def test_an_image_that_is_nowhere_is_said(bench: Bench) -> None:
    report = can_run(LabelStudioChoice(VERSION, image="localhost:9/absent/label-studio:1"), bench.root, quiet)
    assert len(report.problems) == 1
    assert "localhost:9/absent/label-studio:1 could not be fetched" in report.problems[0].message


@pytest.mark.docker
@pytest.mark.labelstudio
def test_our_own_image_can_run(bench: Bench) -> None:
    report = can_run(CHOICE, bench.root, quiet)
    assert report.problems == ()
    assert report.version == VERSION


def test_pythons_are_looked_for_beside_what_an_image_starts_first() -> None:
    config = {
        "Entrypoint": ["/srv/app/bin/entry.sh"],
        "Cmd": ["label-studio", "/not/an/executable"],
        "Env": ["PATH=/usr/local/bin:/usr/bin", "VIRTUAL_ENV=/venv", "odd"],
    }
    found = _pythons(config)
    assert found[:4] == ["/srv/app/bin/python3", "/srv/app/bin/python", "/venv/bin/python3", "/venv/bin/python"]
    assert found.index("/usr/local/bin/python3") < found.index("/usr/bin/python3")
    assert "/label-studio/.venv/bin/python" in found
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("name", "repository", "tag"),
    [
        ("heartexlabs/label-studio", "heartexlabs/label-studio", "latest"),
        ("heartexlabs/label-studio:1.23.2", "heartexlabs/label-studio", "1.23.2"),
        ("localhost:5000/studio", "localhost:5000/studio", "latest"),
        ("localhost:5000/studio:2", "localhost:5000/studio", "2"),
        ("studio@sha256:abc", "studio", "sha256:abc"),
    ],
)
def test_an_image_name_is_taken_apart(name: str, repository: str, tag: str) -> None:
    assert _split(name) == (repository, tag)


def test_another_deploy_input_is_another_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from annotator_ops.resources import resource

    before = image_tag(VERSION)
    assert before.startswith(f"annotator-ops/label-studio:{VERSION}-")
    changed = tmp_path / "launch.py"
    changed.write_text(resource("deploy", "launch.py").read_text() + "\n# changed\n")
    monkeypatch.setattr(
        "annotator_ops.runtimes.image.resource",
        lambda kind, *parts: changed if parts == ("launch.py",) else resource(kind, *parts),
    )
    assert image_tag(VERSION) != before
