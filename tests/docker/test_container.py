"""What a container is made of, as data: these hold without any engine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from annotator_ops.models import InstanceSpec, LabelStudioChoice, Limits
from annotator_ops.resources import resource
from annotator_ops.runtimes.docker import owner_for
from annotator_ops.runtimes.docker_container import (
    Program,
    Walls,
    container_options,
    is_walled,
    network_options,
    settings_of,
)
from annotator_ops.runtimes.docker_memory import memory_of
from annotator_ops.runtimes.owner import Owner
from annotator_ops.secret import Secret

PROGRAM = Program("image:1", "/env/bin/python", "/opt/launch.py", "/opt/health.py", migrations="abc")
SPEC = InstanceSpec(
    study="study",
    annotator="anna",
    name="annotator-ops-study-anna",
    port=8123,
    directory=Path("/srv/study/anna"),
    environment={"LABEL_STUDIO_HOST": "http://anna.localhost:8080"},
    secrets={"SECRET_KEY": Secret("the-key"), "LABEL_STUDIO_PASSWORD": Secret("the-password")},
    label_studio=LabelStudioChoice("1.23.2"),
    limits=Limits(memory=2**30, processes=99, cpus=0.5),
)


def options(spec: InstanceSpec = SPEC, **changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"program": PROGRAM, "owner": Owner(10001, 10001), "walls": Walls("net", "{}")}
    return container_options(spec, study="study", **{**given, **changes})


def test_a_container_is_confined() -> None:
    made = options()
    assert made["read_only"] is True
    assert made["cap_drop"] == ["ALL"]
    assert made["security_opt"] == ["no-new-privileges:true", "seccomp={}"]
    assert made["user"] == "10001:10001"
    assert made["network"] == "net"
    assert made["ports"] == {"8080/tcp": ("127.0.0.1", 8123)}
    assert (made["mem_limit"], made["memswap_limit"], made["pids_limit"], made["nano_cpus"]) == (
        2**30,
        2**30,
        99,
        5 * 10**8,
    )
    assert "noexec" in made["tmpfs"]["/tmp"]
    assert "nosuid" in made["tmpfs"]["/tmp"]
    writable = [mount["Target"] for mount in made["mounts"] if not mount["ReadOnly"]]
    assert writable == ["/data"]
    assert {mount["Type"] for mount in made["mounts"]} == {"bind"}
    assert "privileged" not in made
    assert "cap_add" not in made


def test_no_secret_is_in_a_containers_description_and_all_are_in_the_settings() -> None:
    described = repr(options())
    assert "the-key" not in described
    assert "the-password" not in described
    settings = json.loads(settings_of(SPEC, PROGRAM))
    assert settings["environment"] == {
        "LABEL_STUDIO_HOST": "http://anna.localhost:8080",
        "SECRET_KEY": "the-key",
        "LABEL_STUDIO_PASSWORD": "the-password",
        "LABEL_STUDIO_BASE_DATA_DIR": "/data",
    }
    assert (settings["port"], settings["migrations"]) == (8080, "abc")


def test_labels_tell_all_that_adopting_needs() -> None:
    labels = options()["labels"]
    assert labels["annotator-ops.study"] == "study"
    assert labels["annotator-ops.annotator"] == "anna"
    assert labels["annotator-ops.spec"] == SPEC.spec_hash
    assert labels["annotator-ops.directory"] == "/srv/study/anna"
    assert labels["annotator-ops.port"] == "8123"


@pytest.mark.parametrize(
    "changes",
    [
        {"program": replace(PROGRAM, image="image:2")},
        {"owner": Owner(1000, 1000)},
        {"walls": Walls("net", '{"changed": 1}')},
        {"spec": replace(SPEC, limits=Limits(memory=2**29))},
    ],
    ids=["image", "owner", "seccomp", "limits"],
)
def test_whatever_changes_a_container_changes_its_label(changes: dict[str, Any]) -> None:
    assert options()["labels"] == options()["labels"]
    assert options(**changes)["labels"]["annotator-ops.container"] != options()["labels"]["annotator-ops.container"]


def test_root_runs_containers_as_somebody_else_and_others_as_themselves() -> None:
    assert owner_for(0, 0) == Owner(10001, 10001)
    assert owner_for(1000, 100) == Owner(1000, 100)


def test_a_network_is_recognised_as_closed_only_when_it_is() -> None:
    ours = network_options("study")
    attributes = {"Options": ours["options"], "Labels": ours["labels"]}
    assert is_walled(attributes, "study")
    assert not is_walled(attributes, "another")
    assert not is_walled({"Options": None, "Labels": ours["labels"]}, "study")
    icc = {**ours["options"], "com.docker.network.bridge.enable_icc": "true"}
    assert not is_walled({**attributes, "Options": icc}, "study")


# --- the system call filter ------------------------------------------------------------------------------------------

PROFILE = json.loads(resource("deploy", "seccomp.json").read_text())
NEVER = [
    "connect",
    "sendmmsg",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "socketcall",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "unshare",
    "setns",
    "mount",
    "umount2",
    "move_mount",
    "fsopen",
    "fsmount",
    "open_tree",
    "pivot_root",
    "chroot",
    "keyctl",
    "add_key",
    "request_key",
    "kexec_load",
    "init_module",
    "finit_module",
    "delete_module",
    "reboot",
    "swapon",
    "swapoff",
    "syslog",
    "acct",
    "open_by_handle_at",
    "name_to_handle_at",
    "mknod",
    "mknodat",
    "personality",
    "quotactl",
    "iopl",
    "ioperm",
    "settimeofday",
    "clock_settime",
    "adjtimex",
    "clock_adjtime",
    "pidfd_getfd",
    "kcmp",
    "lookup_dcookie",
    "vmsplice",
    "modify_ldt",
    "sethostname",
    "setdomainname",
]


def test_what_is_not_allowed_is_refused() -> None:
    assert PROFILE["defaultAction"] == "SCMP_ACT_ERRNO"
    allowed = {name for rule in PROFILE["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}
    assert not allowed & set(NEVER)
    assert {rule["action"] for rule in PROFILE["syscalls"]} == {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"}
    assert [one["architecture"] for one in PROFILE["archMap"]] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"]
    assert all(not one["subArchitectures"] for one in PROFILE["archMap"]), "no second table of calls"


def test_calls_that_could_open_a_way_out_are_allowed_with_conditions_only() -> None:
    for call in ("socket", "socketpair", "sendto", "sendmsg", "clone"):
        rules = [rule for rule in PROFILE["syscalls"] if call in rule["names"]]
        assert rules
        assert all(rule.get("args") for rule in rules), call


def test_every_rule_says_what_it_is_for_and_names_nothing_twice() -> None:
    assert all(rule["comment"] for rule in PROFILE["syscalls"])
    free = [name for rule in PROFILE["syscalls"] if not rule.get("args") for name in rule["names"]]
    assert len(free) == len(set(free))


# --- memory ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "usage", "stat"),
    [
        ("system.slice/docker-abc.scope", "memory.current", "anon 5\ninactive_file 300\n"),
        ("docker/abc", "memory.current", "inactive_file 300\n"),
        ("memory/docker/abc", "memory.usage_in_bytes", "inactive_file 0\ntotal_inactive_file 300\n"),
    ],
)
def test_memory_is_read_without_the_cache(tmp_path: Path, place: str, usage: str, stat: str) -> None:
    folder = tmp_path / place
    folder.mkdir(parents=True)
    (folder / usage).write_text("1000\n")
    (folder / "memory.stat").write_text(stat)
    assert memory_of("abc", root=tmp_path) == 700
    assert memory_of("another", root=tmp_path) is None
