"""study.yaml: what is read, and that every mistake is named with its key, its line and a way out, all at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from annotator_ops.errors import OpsError, Problem, StudyError
from annotator_ops.models import Annotator, Level
from annotator_ops.study import load, ngrok_token, numbered_annotators, read, user_home, with_annotators
from tests.study.making import make

ANNA = {"id": "anna", "name": "Anna B", "email": "a@x.org", "attributes": {"age": 30}}


def problems_of(path: Path) -> dict[str, Problem]:
    return {problem.code: problem for problem in read(path)[1]}


def test_defaults(tmp_path: Path) -> None:
    study = load(make(tmp_path))
    assert (study.name, study.title, study.language, study.runtime, study.simulated) == (
        "small",
        "Small",
        "en",
        "auto",
        False,
    )
    assert [task.id for task in study.tasks] == ["a", "b"]
    assert study.tasks[0].data == {"id": "a", "text": "first"}
    assert (study.proxy.port, study.proxy.public_url, study.proxy.routing) == (8080, None, "subdomain")
    assert (study.limits.memory, study.label_studio.version) == (1024**3, "1.23.2")
    assert study.root == tmp_path
    assert study.state_dir == tmp_path / ".ops"
    assert not (study.annotators or study.criteria or study.judges)


def test_all_keys_arrive(tmp_path: Path) -> None:
    (tmp_path / "how.md").write_text("# How")
    (tmp_path / "j.csv").write_text("rater,item,criterion,value\n")
    study = load(
        make(
            tmp_path,
            {
                "title": "A title",
                "instructions": "how.md",
                "annotators": [
                    {"id": "anna", "name": "Anna B", "email": "a@x.org", "attributes": {"age": 30}},
                    "boris",
                ],
                "order": {"seed": 7, "shuffle": False},
                "criteria": [{"name": "mood", "level": "ordinal", "values": ["Bad", "OK", "Good"], "title": "Mood!"}],
                "judges": ["j.csv", {"file": "j.csv"}],
                "runtime": "docker",
                "label_studio": {"image": "x/y:1"},
                "proxy": {"port": 81, "public_url": "https://x.org/", "routing": "path"},
                "limits": {"memory": "1.5 GB", "processes": 64, "cpus": 0.5},
                "language": "ru",
                "simulated": True,
            },
        )
    )
    assert study.instructions == "# How"
    assert study.annotators[0] == Annotator("anna", "Anna B", "a@x.org", None, {"age": "30"})
    assert study.annotators[1] == Annotator("boris", "boris")
    assert (study.order.seed, study.order.shuffle) == (7, False)
    criterion = study.criteria[0]
    assert (criterion.control, criterion.level, criterion.title) == ("mood", Level.ORDINAL, "Mood!")
    assert dict(criterion.values) == {"Bad": 1, "OK": 2, "Good": 3}
    assert [judge.path for judge in study.judges] == [tmp_path / "j.csv"] * 2
    assert (study.proxy.public_url, study.limits.memory, study.limits.cpus) == ("https://x.org", 3 * 1024**3 // 2, 0.5)
    assert study.simulated is True


@pytest.mark.parametrize(
    ("lines", "line", "code", "says", "hint"),
    [
        ("anotators: 5", 4, "unknown-key", "'anotators'", "'annotators'"),
        ("order:\n  sed: 1", 5, "unknown-key", "'order.sed'", "'seed'"),
        ("proxy:\n  routing: paths", 5, "literal-error", "'paths'", "'subdomain' or 'path'"),
        ("criteria:\n- name: mood", 5, "missing", "criteria[1].level", "example"),
        ("criteria:\n- {name: a, level: nominal}\n- {name: b, level: odd}", 6, "enum", "'odd'", "'ordinal'"),
        ("limits: {memory: much}", 4, "value-error", "512MB", ""),
        ("limits: {memory: 10MB}", 4, "value-error", "256MB", ""),
        ("annotators: many", 4, "annotators-shape", "a number from 1", "annotators: 5"),
        ("annotators: 0", 4, "annotators-shape", "1 to 500", ""),
        ("annotators:\n- {id: a, email: nobody}", 5, "value-error", "annotators[1].email", ""),
        ("annotators: [anna, 'b c']", 4, "annotator-id-invalid", "'b c'", "letters"),
        ("annotators: [anna, Anna]", 4, "annotator-id-collides", "same address", "capital"),
        ("annotators: [anna, anna]", 4, "annotator-id-collides", "twice", ""),
        ("simulated: 5", 4, "bool-parsing", "'simulated'", "true or false"),
        ("label_studio: {version: '1.23'}", 4, "value-error", "1.23.2", ""),
        ("name: again", 4, "duplicate-key", "'name'", "one of the two"),
        ("instructions: gone.md", 4, "file-unreadable", "gone.md", ""),
        ("judges:\n- gone.csv", 5, "file-unreadable", "gone.csv", ""),
        ("title: 'open\n\n", 4, "yaml-invalid", "YAML", "quotes"),
        ("\torder: 1", 4, "yaml-invalid", "YAML", "tab"),
        ("title: &a [*a]", 4, "yaml-invalid", "", ""),
        ("order: 5", 4, "model-type", "'order'", "key: value"),
    ],
)
def test_a_mistake_is_named_with_its_line(
    tmp_path: Path, lines: str, line: int, code: str, says: str, hint: str
) -> None:
    found = problems_of(make(tmp_path, lines))
    assert set(found) == {code}
    problem = found[code]
    assert problem.line == line, problem
    assert says in problem.message
    assert hint in problem.hint
    assert problem.where == "study.yaml"


def test_everything_is_said_at_once(tmp_path: Path) -> None:
    path = make(
        tmp_path, "anotators: 5\nruntime: dokker\nproxy: {port: 0}\ninstructions: gone.md", tasks='{"id": 1}\n{bad\n'
    )
    study, problems = read(path)
    assert study is None
    assert [(problem.where, problem.line) for problem in problems] == [
        ("study.yaml", 4),
        ("study.yaml", 5),
        ("study.yaml", 6),
        ("study.yaml", 7),
        ("tasks.jsonl", 2),
    ]
    with pytest.raises(StudyError) as caught:
        load(path)
    assert caught.value.problems == problems
    assert "5 problems" in caught.value.message


def test_text_stays_as_it_was_written(tmp_path: Path) -> None:
    """YAML makes 7 of 007, false of `no`, and a date of 2024-01-02; a researcher means what is written."""
    study = load(make(tmp_path, "annotators: [007, no, 1.10, 2024-01-02]\ntitle: 2024-01-02"))
    assert [annotator.id for annotator in study.annotators] == ["007", "no", "1.10", "2024-01-02"]
    assert study.title == "2024-01-02"


@pytest.mark.parametrize("name", ["", "Upper", "a b", "-a", "a--b", "ü", "x" * 41])
def test_study_names_that_cannot_be_container_names(tmp_path: Path, name: str) -> None:
    assert read(make(tmp_path, {"name": name}))[0] is None


@pytest.mark.parametrize("content", ["", "# nothing\n", "- a\n", "just text\n", "~\n"])
def test_a_file_without_keys(tmp_path: Path, content: str) -> None:
    (tmp_path / "study.yaml").write_text(content)
    study, problems = read(tmp_path / "study.yaml")
    assert study is None
    assert [problem.code for problem in problems] == ["study-empty"]


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("name: caf\xe9\n".encode("latin-1"))
    (tmp_path / "control.yaml").write_bytes(b"name: a\x00b\n")
    os.mkfifo(tmp_path / "pipe.yaml")
    for name in ("none.yaml", "latin.yaml", "control.yaml", "pipe.yaml", "."):
        study, problems = read(tmp_path / name)
        assert study is None
        assert len(problems) == 1, name


def test_byte_order_marks_and_windows_line_ends(tmp_path: Path) -> None:
    path = make(tmp_path, "title: Größe")
    for encoding in ("utf-8-sig", "utf-16"):
        text = path.read_text(encoding="utf-8").replace("\n", "\r\n")
        path.write_bytes(text.encode(encoding))
        assert load(path).title == "Größe"
        path.write_text(text.replace("\r\n", "\n"), encoding="utf-8")


def test_a_symlinked_study_is_the_study_at_the_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    path = make(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert load(tmp_path / "link" / path.name).root == tmp_path / "link"


def test_a_shipped_label_config_by_name(tmp_path: Path) -> None:
    study = load(make(tmp_path, {"label_config": "template:classification"}))
    assert 'name="intent"' in study.label_config
    missing = problems_of(make(tmp_path, {"label_config": "template:../x"}))["no-template"]
    assert "classification" in missing.hint
    assert missing.line == 2


def test_numbered_annotators(tmp_path: Path) -> None:
    study = load(make(tmp_path, "annotators: 2"))
    assert [(annotator.id, annotator.name) for annotator in study.annotators] == [
        ("annotator-1", "Annotator 1"),
        ("annotator-2", "Annotator 2"),
    ]
    assert with_annotators(study, 3).annotators == numbered_annotators(3, "en")
    assert with_annotators(load(make(tmp_path)), 4).annotators == numbered_annotators(4, "en")


def test_a_number_that_contradicts_a_roster(tmp_path: Path) -> None:
    study = load(make(tmp_path, "annotators: [anna, boris]"))
    assert with_annotators(study, 2) == study
    with pytest.raises(OpsError, match="lists 2 by name"):
        with_annotators(study, 3)
    for count in (0, -1, 501):
        with pytest.raises(OpsError, match="cannot be provisioned"):
            with_annotators(study, count)


def test_user_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANNOTATOR_OPS_HOME", str(tmp_path))
    assert user_home() == tmp_path
    monkeypatch.delenv("ANNOTATOR_OPS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_home() == tmp_path / ".local" / "share" / "annotator-ops"


def test_ngrok_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANNOTATOR_OPS_HOME", str(tmp_path))
    none: dict[str, Any] = {"environment": {}}
    assert ngrok_token(**none) is None
    given = ngrok_token(environment={"NGROK_AUTHTOKEN": " abc "})
    assert given is not None
    assert given.reveal() == "abc"
    file = tmp_path / "ngrok-token"
    file.write_text("def\n")
    file.chmod(0o640)
    with pytest.raises(OpsError) as caught:
        ngrok_token(**none)
    assert caught.value.code == "secret-readable-by-others"
    assert "def" not in caught.value.message + caught.value.hint
    file.chmod(0o600)
    kept = ngrok_token(**none)
    assert kept is not None
    assert kept.reveal() == "def"
