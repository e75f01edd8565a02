"""`ops judge run` as it is typed: killed and resumed, interrupted, with keys that nobody sees."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.judging.endpoint import HTML, LATE, Asked, Fault, Server, by_content, completion, error, rate_limited
from tests.judging.studies import KEY, everything, judged_study, replies
from tests.studies import OPS, Ran, ops, well

WORKERS = 4


@contextmanager
def running(
    study: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """`ops judge run` at work; killed at the end, if it is still there."""
    process = subprocess.Popen(
        [OPS, "judge", "run", "--study", study, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | dict(environment or {}),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def with_environment(study: Path, *arguments: str, **environment: str) -> Ran:
    done = subprocess.run(
        [OPS, "judge", "run", "--json", "--study", study, *arguments],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env=os.environ | environment,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Ran(done.returncode, json.loads(done.stdout or "{}"), done.stdout + done.stderr)


def test_killed_in_the_middle_and_resumed_every_request_is_answered_once(tmp_path: Path) -> None:
    """The first run is killed while its four requests under way have no answer: those alone are asked twice."""
    with Server(lambda asked: LATE if asked.number > 150 else None) as server:
        study = judged_study(tmp_path / "study", server, 400, {"concurrency": WORKERS, "timeout": 120})
        with running(study) as process:
            server.wait_for(lambda seen: seen.waiting == WORKERS)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        kept = replies(study.parent)
        assert len(kept) == 150, "what was answered is stored before more is asked"
        server.faults = lambda _: None
        result = well("judge", "run", study=study)
        assert result["judges"][0]["reused"] == 150
        assert result["judges"][0]["answered"] == 250
        assert server.total == 400 + WORKERS
        assert len(replies(study.parent)) == 400
        assert kept.items() <= replies(study.parent).items()
    # What was late goes out when the server closes, to nobody.
    assert all(count == 1 or server.asked[digest] == 2 for digest, count in server.answered.items())


def reached(server: Server, *, until: int) -> bool:
    return server.total >= until


def test_killed_at_any_moment_at_most_what_was_under_way_is_asked_again(tmp_path: Path) -> None:
    dice = random.Random(1)
    with Server(lambda asked: rate_limited() if asked.number % 9 == 0 else None) as server:
        study = judged_study(tmp_path / "study", server, 300, {"concurrency": WORKERS})
        kills = 0
        for _ in range(3):
            until = server.total + dice.randint(20, 60)
            with running(study) as process:
                server.wait_for(partial(reached, until=until))
                process.send_signal(signal.SIGKILL)
                kills += process.wait() == -signal.SIGKILL
        assert kills == 3
        result = well("judge", "run", study=study)
        assert result["judges"][0]["remaining"] == 0
        assert len(replies(study.parent)) == 300
        twice = [count for count in server.answered.values() if count > 1]
        assert len(twice) <= kills * WORKERS
        assert server.answered.total() <= 300 + kills * WORKERS


def test_ctrl_c_keeps_what_is_under_way_and_asks_nothing_new(tmp_path: Path) -> None:
    with Server(lambda asked: LATE if asked.number > 20 else None) as server:
        study = judged_study(tmp_path / "study", server, 100, {"concurrency": WORKERS, "timeout": 120})
        with running(study) as process:
            server.wait_for(lambda seen: seen.waiting == WORKERS)
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            seen = ""
            while "Stopping after what is under way" not in seen:
                line = process.stderr.readline()
                assert line, seen
                seen += line
            server.release()
            rest = process.communicate(timeout=60)[1]
            assert process.returncode == 130
        assert f"strict: stopped: {20 + WORKERS} of 100 requests answered" in seen + rest
        assert "run `ops judge run` again" in rest
        assert server.total == 20 + WORKERS == len(replies(study.parent))
        server.faults = lambda _: None
        assert well("judge", "run", study=study)["judges"][0]["answered"] == 80 - WORKERS
        assert set(server.answered.values()) == {1}


def test_ctrl_c_does_not_wait_for_a_rate_limit(tmp_path: Path) -> None:
    with Server(lambda _: rate_limited("300")) as server:
        study = judged_study(tmp_path / "study", server, 50, {"concurrency": WORKERS})
        with running(study) as process:
            assert process.stderr is not None
            while "waits and asks again" not in process.stderr.readline():
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
            assert process.returncode == 130
        assert server.total <= WORKERS


def test_the_json_of_a_run(tmp_path: Path) -> None:
    with Server() as server:
        study = judged_study(tmp_path / "study", server, 6)
        result = well("judge", "run", study=study)
    assert result["command"] == "judge run"
    assert result["outcomes"][0] | {"message": ""} == {
        "subject": "strict",
        "state": "ok",
        "message": "",
        "code": "judged",
        "hint": "",
    }
    assert result["judges"] == [
        {
            "judge": "strict",
            "model": "pretender",
            "requests": 6,
            "reused": 0,
            "asked": 6,
            "answered": 6,
            "refused": 0,
            "unparsable": 0,
            "failed": 0,
            "failures": {},
            "remaining": 0,
            "confidence": None,
            "prompt_tokens": 600,
            "completion_tokens": 60,
            "cost": None,
        }
    ]


def test_replies_are_written_on_the_command_line(tmp_path: Path) -> None:
    with Server(answering=lambda _: completion("That is hard to say, is it not.")) as server:
        study = judged_study(tmp_path / "study", server, 3)
        target = tmp_path / "out" / "replies.jsonl"
        result = well("judge", "run", "--replies", str(target), study=study)
        assert result["outcomes"][0]["state"] == "warning"
        rows = [json.loads(line) for line in target.read_text().splitlines()]
        assert [(row["item"], row["value"], row["reason"], row["reply"]) for row in rows] == [
            (f"m{number:04}", None, "unparsable", "That is hard to say, is it not.") for number in range(3)
        ]
        mine = tmp_path / "mine.jsonl"
        mine.write_text('{"judge": "a", "item": "m0000", "criterion": "intent", "value": 1}\n')
        refused = ops("judge", "run", "--dry-run", "--replies", str(mine), study=study)
        assert (refused.code, refused.json["error"]["code"]) == (2, "would-overwrite")


def test_the_key_is_nowhere(tmp_path: Path) -> None:
    """Not in the study's folder, nor in what the command prints, whatever the endpoint does with it."""

    def faults(asked: Asked) -> Fault | None:
        if asked.number > 8:
            return error(401, f"Incorrect API key provided: {KEY}.")
        return (error(500, f"Lost {KEY}"), HTML, error(400, f"What is {KEY}?"), None)[asked.number % 4]

    with Server(faults, lambda _: completion(f"Intent: Praise, {KEY}")) as server:
        study = judged_study(tmp_path / "study", server, 30, {"key": "MODEL_KEY", "concurrency": 2})
        home = tmp_path / "home"
        ran = with_environment(study, MODEL_KEY=KEY, ANNOTATOR_OPS_HOME=str(home), OPENAI_LOG="debug")
        assert ran.code == 1
        assert server.headers[0]["authorization"] == f"Bearer {KEY}"
        assert ran.json["outcomes"][0]["code"] == "key-refused"
        assert KEY not in ran.errors
        assert KEY.encode() not in everything(study.parent)
        assert not home.exists() or KEY.encode() not in b"".join(p.read_bytes() for p in home.rglob("*") if p.is_file())
        assert "is anybody there" not in ran.errors, "nor are the study's items"


def test_a_key_file_that_others_can_read_is_refused_and_nothing_is_asked(tmp_path: Path) -> None:
    with Server() as server:
        study = judged_study(tmp_path / "study", server, 3, {"key": "MODEL_KEY"})
        file = study.parent / ".ops" / "keys" / "MODEL_KEY"
        file.parent.mkdir(parents=True)
        file.write_text(KEY)
        file.chmod(0o644)
        refused = with_environment(study, MODEL_KEY="")
        assert (refused.code, refused.json["error"]["code"]) == (2, "secret-readable-by-others")
        assert server.total == 0
        file.chmod(0o600)
        assert with_environment(study, MODEL_KEY="").code == 0
        assert server.headers[0]["authorization"] == f"Bearer {KEY}"
        file.unlink()
        assert with_environment(study, MODEL_KEY="").code == 0, "with nothing to ask, no key is needed"
        more = judged_study(tmp_path / "more", server, 3, {"key": "MODEL_KEY"})
        missing = with_environment(more, MODEL_KEY="", ANNOTATOR_OPS_HOME=str(tmp_path / "home"))
        assert (missing.code, missing.json["error"]["code"]) == (2, "no-judge-key")


def test_a_dry_run_needs_no_key_and_shows_the_first_prompt(tmp_path: Path) -> None:
    with Server() as server:
        study = judged_study(tmp_path / "study", server, 3, {"key": "MODEL_KEY_THAT_IS_NOT_SET"})
        done = subprocess.run(
            [OPS, "judge", "run", "--dry-run", "--study", study], capture_output=True, text=True, check=True
        )
        assert server.total == 0
    assert "would ask 3 requests" in done.stdout
    assert "Message 0: is anybody there?" in done.stdout


def test_a_budget_on_the_command_line(tmp_path: Path) -> None:
    with Server(answering=by_content) as server:
        price = {"price": {"input": 1000, "output": 10_000}, "max_tokens": 20}
        study = judged_study(tmp_path / "study", server, 100, price)
        ran = ops("judge", "run", "--budget", "5", study=study)
        assert ran.code == 0
        assert ran.json["outcomes"][0]["code"] == "budget-reached"
        assert 0 < ran.json["spent"] <= 5
        assert ran.json["judges"][0]["answered"] == server.total < 100
        none = ops("judge", "run", "--judge", "nobody", study=study)
        assert (none.code, none.json["error"]["code"]) == (2, "unknown-judge")
