"""The commands on bare tables, as typed: options, text for people, JSON for programs, words for mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from annotator_ops.cli.main import app


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Four annotators on 30 items; dora answers 3 to everything."""
    rows = []
    for item in range(30):
        right = 1 + item % 5
        for rater, value in (("anna", right), ("boris", right), ("carla", min(5, right + item % 2)), ("dora", 3)):
            rows.append(f"{rater},{item},fluency,{value}")
    path = tmp_path / "pilot.csv"
    path.write_text("\n".join(["rater,item,criterion,value", *rows]) + "\n")
    return path


def typed(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_analyze_says_what_it_means_and_what_deserves_a_look(table: Path) -> None:
    done = typed("analyze", table, "--group", "three=[abc]*", "--group", "one=dora")
    assert done.exit_code == 0
    assert "→ Four annotators agree" in done.stdout
    assert "that Krippendorff asks for" in done.stdout
    assert "What deserves a look" in done.stdout
    assert "dora on fluency: " in done.stdout
    assert "fluency: How differently the two groups agree with themselves cannot be said" in done.stdout


def test_analyze_as_json_is_one_object(table: Path) -> None:
    done = typed("analyze", table, "--json")
    found = json.loads(done.stdout)
    (criterion,) = found["criteria"]
    assert found["schema"] == "annotator-ops/analysis@3"
    assert {"krippendorff_alpha", "gwet_ac2", "icc2k", "kendall_w"} <= criterion["agreement"].keys()
    assert criterion["verdict"]["sources"]
    dora = criterion["raters"][3]
    assert {flag["code"] for flag in dora["flags"]} & {"lowers-alpha", "one-answer", "chance"}


def test_consensus_goes_where_it_is_told(table: Path, tmp_path: Path) -> None:
    target = tmp_path / "agreed.jsonl"
    done = typed("consensus", table, "--method", "majority", "-o", target)
    assert done.exit_code == 0
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert [(row["value"], row["tied"]) for row in rows[:3]] == [(1.0, ""), (None, "2 | 3"), (3.0, "")]
    assert typed("consensus", table, "--method", "average").exit_code == 2


def test_plan_sample_prints_a_table(table: Path) -> None:
    done = typed("plan-sample", table, "--items", "100,400", "--annotators", "3", "--half-width", "0.1")
    assert done.exit_code == 0
    assert "100 items" in done.stdout and "400 items" in done.stdout
    assert "alpha ± 0.1 with 3 annotators an item needs" in done.stdout


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--items", "1,2"), "bad-sizes"),
        (("--items", "many"), "bad-sizes"),
        (("--annotators", ""), "bad-sizes"),
        (("--half-width", "2"), "bad-half-width"),
    ],
)
def test_sizes_that_are_none_are_refused_in_words(table: Path, words: tuple[str, ...], code: str) -> None:
    done = typed("plan-sample", table, *words, "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["code"] == code


@pytest.mark.parametrize(
    "words",
    [
        ("--gold", "g.csv"),
        ("--items", "i.jsonl"),
        ("--group", "a=b"),
        ("--judges", "j.csv"),
        ("--judging", "j.yaml"),
        ("--turns", "mean"),
        ("--scale", "fluency=1..5"),
    ],
)
def test_options_of_tables_need_tables(words: tuple[str, ...], tmp_path: Path) -> None:
    done = typed("analyze", *words, "--study", tmp_path / "study.yaml", "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["code"] == "options-without-files"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--turns", "average"), "bad-turns"),
        *((("--scale", text), "bad-scale") for text in ("fluency", "=1..5", "fluency=5..1", "fluency=1-5", "f=nan..2")),
        (("--scale", "f=1..5", "--scale", "f=1..7"), "bad-scale"),
        (("--epsilon", "much"), "bad-epsilon"),
        (("--epsilon", "1"), "bad-epsilon"),
        (("--epsilon", "-0.1"), "bad-epsilon"),
        (("--epsilon", "nan"), "bad-epsilon"),
        (("--judging", "nowhere.yaml"), "judging-invalid"),
    ],
)
@pytest.mark.parametrize("command", ["analyze", "report"])
def test_what_is_no_way_to_measure_judges_is_refused(
    table: Path, command: str, words: tuple[str, ...], code: str
) -> None:
    done = typed(command, table, *words, "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["code"] == code


def test_how_judges_are_measured_comes_from_a_file_and_the_command_line(table: Path, tmp_path: Path) -> None:
    judges, how = tmp_path / "judges.csv", tmp_path / "how.yaml"
    rows = [f"gpt,{item},fluency,{1 + item % 3},{turn}" for item in range(1, 5) for turn in (1, 2)]
    judges.write_text("\n".join(["judge,item,criterion,value,turn", *rows]) + "\n")
    how.write_text("epsilon: expert\nagrees_within: 1\n")
    given = ("analyze", table, "--judges", judges, "--turns", "mean", "--judging", how, "--json")
    measured = [json.loads(typed(*given, *more).stdout)["judging"] for more in ((), ("--epsilon", "crowd"))]
    assert [(each["epsilon"], each["agrees_within"]) for each in measured] == [(0.2, 1.0), (0.1, 1.0)]


def test_a_scale_reaches_the_analysis(table: Path, tmp_path: Path) -> None:
    judges = tmp_path / "judges.csv"
    judges.write_text("judge,item,criterion,value\n" + "".join(f"gpt,{n},fluency,{n - 0.5}\n" for n in range(1, 5)))
    given = ("analyze", table, "--judges", judges, "--scale", "fluency=-1.5..3", "--json")
    found = json.loads(typed(*given).stdout)
    assert [criterion["judges"][0]["missing"] for criterion in found["criteria"]] == [{"off-scale": 1}]
    assert any("off the scale (-1.5 to 3): gpt gave item 4 3.5" in note for note in found["notes"])


@pytest.mark.parametrize("group", ["experts", "=x*", "experts=", "first=dora"])
def test_a_group_without_name_or_pattern_or_named_twice_is_refused(table: Path, group: str) -> None:
    done = typed("analyze", table, "--group", "first=anna", "--group", group, "--json")
    assert json.loads(done.stdout)["error"]["code"] == "bad-group"


def test_a_circular_level_takes_its_period(tmp_path: Path) -> None:
    path = tmp_path / "hours.csv"
    rows = [f"{who},{n},hour,{(n * 5.5) % 24}" for n in range(12) for who in ("anna", "boris")]
    path.write_text("\n".join(["rater,item,criterion,value", *rows]) + "\n")
    found = json.loads(typed("analyze", path, "--level", "hour=circular:24", "--json").stdout)
    assert found["criteria"][0]["agreement"]["krippendorff_alpha"]["value"] == 1
    for wrong in ("hour=circular:0", "hour=circular:", "hour=ordinal:24", "hour=circular:x"):
        error = json.loads(typed("analyze", path, "--level", wrong, "--json").stdout)["error"]
        assert error["code"] == "bad-level", wrong
