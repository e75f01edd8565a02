"""What model judges were asked and replied, in the store: kept raw and for good, asked once, read as answers."""

from __future__ import annotations

import json
import sqlite3
import threading
import zlib
from pathlib import Path

import pytest

from annotator_ops.errors import OpsError
from annotator_ops.judge_settings import ModelJudge
from annotator_ops.judging.failures import Failure, Reply
from annotator_ops.judging.requests import JudgeRequest
from annotator_ops.models import JSONDict
from annotator_ops.store.database import Store

JUDGE = ModelJudge("strict", "m", "http://localhost/v1", None, "", "p.j2")
OLD = Path(__file__).parent / "old"


def request(item: str = "t1", key: str = "k1", *, prompt: str = "v1", sample: int | None = None) -> JudgeRequest:
    body: JSONDict = {"model": "m", "messages": [{"role": "user", "content": f"Как тебе {item}?"}]}
    return JudgeRequest(JUDGE, item, None, sample, body, prompt, key)


def reply(text: str = "4") -> Reply:
    content = {
        "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3},
    }
    return Reply(json.dumps(content).encode(), content, seconds=1.5, attempts=2)


FAILED = Failure("timeout", "It did not answer.", attempts=5)


def rows(root: Path, query: str) -> list[tuple[object, ...]]:
    database = sqlite3.connect(root / "study.sqlite3")
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


def test_a_reply_is_kept_as_it_came_with_what_was_asked(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        assert store.judgements.answered() == frozenset()
        store.judgements.keep(request(), reply())
        assert store.judgements.answered() == {"k1"}
    ((raw, attempts, read, written, seconds),) = rows(
        tmp_path, "SELECT reply, attempts, prompt_tokens, completion_tokens, seconds FROM judgements"
    )
    assert isinstance(raw, bytes)
    assert zlib.decompress(raw) == reply().raw
    assert (attempts, read, written, seconds) == (2, 7, 3, 1.5)
    ((body,),) = rows(tmp_path, "SELECT body FROM judge_requests")
    assert isinstance(body, bytes)
    assert json.loads(zlib.decompress(body)) == request().body


def test_the_first_reply_stays(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.judgements.keep(request(), reply("4"))
        store.judgements.keep(request(), reply("5"))
        assert [answer.text for answer in store.judgements.answers()] == ["4"]


def test_an_answer_says_what_it_is_about(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.judgements.keep(request(sample=3), reply("4"))
        store.judgements.note(request("t2", "k2"), FAILED)
        answers = store.judgements.answers()
    assert [(each.item, each.outcome, each.text, each.sample, each.order) for each in answers] == [
        ("t1", "answered", "4", 3, None),
        ("t2", "failed", "", None, None),
    ]
    assert {(each.judge, each.model, each.prompt) for each in answers} == {("strict", "m", "v1")}
    assert (answers[0].prompt_tokens, answers[0].completion_tokens) == (7, 3)
    assert all(each.at is not None for each in answers)


def test_a_failure_is_not_final_and_stays_noted(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.judgements.note(request(), FAILED)
        store.judgements.note(request(), Failure("nonsense", "A page.", raw=b"<p>"))
        assert store.judgements.answered() == frozenset()
        assert [each.outcome for each in store.judgements.answers()] == ["failed"]
        store.judgements.keep(request(), reply())
        assert [each.outcome for each in store.judgements.answers()] == ["answered"]
        store.judgements.note(request(), FAILED)
        assert [each.outcome for each in store.judgements.answers()] == ["answered"]
    noted = rows(tmp_path, "SELECT kind, reply FROM judge_failures ORDER BY id")
    assert [kind for kind, _ in noted] == ["timeout", "nonsense", "timeout"]
    assert isinstance(noted[1][1], bytes)
    assert zlib.decompress(noted[1][1]) == b"<p>"


def test_a_request_that_was_answered_can_be_another_versions(tmp_path: Path) -> None:
    """A template can change without changing what is sent about some item."""
    with Store(tmp_path) as store:
        store.judgements.keep(request(), reply())
        store.judgements.link([request(prompt="v2")])
        assert [(each.prompt, each.text) for each in store.judgements.answers()] == [("v1", "4"), ("v2", "4")]
    assert rows(tmp_path, "SELECT count(*) FROM judgements") == [(1,)]


def test_what_is_asked_anew_takes_the_place_and_the_old_reply_stays(tmp_path: Path) -> None:
    """A task whose text was changed is another request; a new version of the prompt is another version of the judge."""
    with Store(tmp_path) as store:
        store.judgements.keep(request(key="old"), reply("1"))
        store.judgements.keep(request(key="new"), reply("2"))
        store.judgements.keep(request(key="later", prompt="v2"), reply("3"))
        assert [(each.prompt, each.text) for each in store.judgements.answers()] == [("v1", "2"), ("v2", "3")]
        assert store.judgements.answered() == {"old", "new", "later"}


def test_nothing_is_half_written(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(OpsError) as caught:
            for number in range(10_000):
                store.judgements.keep(request(f"t{number}", f"k{number}"), reply())
        assert caught.value.code == "store-unreadable"
        answers = store.judgements.answers()
        assert {each.key for each in answers} == store.judgements.answered()
        assert all(each.outcome == "answered" for each in answers)
    assert rows(tmp_path, "SELECT count(*) FROM judge_requests") == [(len(answers),)]


def test_many_threads_keep_replies(tmp_path: Path) -> None:
    with Store(tmp_path) as store:

        def work(first: int) -> None:
            for number in range(first, first + 25):
                store.judgements.keep(request(f"t{number}", f"k{number}"), reply(str(number)))

        threads = [threading.Thread(target=work, args=(25 * number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {each.item: each.text for each in store.judgements.answers()} == {
            f"t{number}": str(number) for number in range(200)
        }


def test_the_judgements_of_the_released_version_are_read(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "study.sqlite3")
    old.executescript((OLD / "v3.sql").read_text())
    old.close()
    with Store(tmp_path) as store:
        answers = store.judgements.answers()
        assert [(each.item, each.outcome, each.text) for each in answers] == [
            ("t1", "answered", '{"quality": 2}'),
            ("t2", "failed", ""),
        ]
        assert store.judgements.answered() == {"k1"}


def test_a_damaged_reply_is_never_given_out(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.judgements.keep(request(), reply())
        store._db.execute("UPDATE judgements SET reply = substr(reply, 1, 20)")
        with pytest.raises(OpsError) as caught:
            store.judgements.answers()
        assert caught.value.code == "judgement-damaged"
