"""Running judges against a real server that misbehaves: nothing is lost, nothing that was answered is asked again."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import Counter
from pathlib import Path

import pytest
import yaml

from annotator_ops.errors import OpsError
from annotator_ops.judging.judgements import REPLY_COLUMNS
from annotator_ops.measures import Rating
from annotator_ops.models import JSONDict
from annotator_ops.ratings import read_judge_table
from annotator_ops.results import Parsed, reading_hash
from annotator_ops.stats.table import RatingTable
from annotator_ops.steps.judge_run import Order, plan_run
from annotator_ops.store.current import current
from annotator_ops.store.database import Store
from annotator_ops.study import load
from tests.judging.endpoint import (
    CUT,
    EMPTY,
    HANG,
    HTML,
    SERVER_ERROR,
    WRONG_JSON,
    Asked,
    Fault,
    Server,
    by_content,
    completion,
    error,
    rate_limited,
)
from tests.judging.studies import KEY, Shown, everything, judged_study, quick, ran, replies
from tests.judging.test_pacing import Clock
from tests.studies import write_study

PASSING = (
    rate_limited(),
    rate_limited("20", "retry-after-ms"),
    SERVER_ERROR,
    error(503, "busy"),
    CUT,
    HTML,
    EMPTY,
    WRONG_JSON,
)


def dice(asked: Asked) -> int:
    return int(asked.digest[8:16], 16)


def mixed(asked: Asked) -> Fault | None:
    """Half of all requests fail the first time, some the second time, too; one in 200 hangs."""
    if asked.times == 1 and dice(asked) % 200 == 0:
        return HANG
    if asked.times <= 2 and dice(asked) % (2 * asked.times) == 0:
        return PASSING[dice(asked) // 4 % len(PASSING)]
    return None


def odd_answers(asked: Asked) -> JSONDict:
    """One in ten is refused, one in ten says no score, one in ten says nothing of tokens."""
    odd = dice(asked) % 10
    if odd == 1:
        return completion(None, refusal="I cannot help with that.")
    if odd == 3:
        return completion("That is hard to say, is it not.")
    if odd == 5:
        return by_content(asked) | {"usage": None}
    return by_content(asked)


def row(result: dict[str, object], name: str = "strict") -> JSONDict:
    judges = result["judges"]
    assert isinstance(judges, list)
    return next(each for each in judges if each["judge"] == name)


def test_a_thousand_items_on_a_bad_day(tmp_path: Path) -> None:
    with Server(mixed, odd_answers) as server:
        path = judged_study(tmp_path / "study", server, 1000, {"concurrency": 16, "timeout": 5})
        result = ran(path)
        assert result.exit_code == 0, result.outcomes
        assert len(replies(path.parent)) == 1000, "none is lost"
        assert set(server.answered.values()) == {1}, "none that was answered whole is asked again"
        assert len(server.answered) == 1000
        assert server.total > 1500
        assert server.cut.total() > 20
        odd = Counter(int(digest[8:16], 16) % 10 for digest in server.answered)
        said = row(dict(result.data))
        assert (said["refused"], said["unparsable"]) == (odd[1], odd[3])
        assert said["answered"] == 1000 - odd[1] - odd[3]
        assert said["prompt_tokens"] == 100 * (1000 - odd[5])
        assert said["failed"] == said["remaining"] == 0
        before = server.total
        again = ran(path)
        assert server.total == before
        assert row(dict(again.data))["reused"] == 1000
        assert again.outcomes[0].code == "nothing-to-ask"
        study = load(path)
        with Store(study.state_dir) as store:
            ratings = current(study, store).judgements()
        assert len(ratings) == 1000
        reasons = Counter(rating.reason for rating in ratings)
        assert reasons == {None: said["answered"], "refused": odd[1], "unparsable": odd[3]}
        assert {rating.kind for rating in ratings} == {"judge"}


def test_every_reply_is_kept_as_it_came(tmp_path: Path) -> None:
    with Server() as server:
        path = judged_study(tmp_path / "study", server, 5)
        ran(path)
        kept = {json.dumps(json.loads(text), sort_keys=True) for text in replies(path.parent).values()}
        sent = {
            json.dumps(by_content(Asked(1, 1, body, digest)), sort_keys=True) for digest, body in server.bodies.items()
        }
        assert kept == sent


def test_what_failed_is_asked_again_by_the_next_run_and_only_that(tmp_path: Path) -> None:
    bad_day = True

    def faults(asked: Asked) -> Fault | None:
        return SERVER_ERROR if bad_day and dice(asked) % 7 == 0 else None

    with Server(faults) as server:
        path = judged_study(tmp_path / "study", server, 60)
        first = ran(path)
        failed = row(dict(first.data))["failed"]
        assert failed > 0
        assert first.exit_code == 1
        assert first.outcomes[0].code == "server-error"
        assert row(dict(first.data))["failures"] == {"server-error": failed}
        assert len(replies(path.parent)) == 60 - failed
        study = load(path)
        with Store(study.state_dir) as store:
            missing = [rating for rating in current(study, store).judgements() if rating.value is None]
        assert [rating.reason for rating in missing] == ["failed"] * failed, "and no score stands in its place"
        bad_day = False
        before = server.total
        second = ran(path)
        assert second.exit_code == 0
        assert server.total - before == failed
        assert set(server.answered.values()) == {1}
        with Store(study.state_dir) as store:
            assert all(rating.value is not None for rating in current(study, store).judgements())


def test_one_refusal_a_minute_long_costs_nothing_but_time(tmp_path: Path) -> None:
    clock = Clock()
    end = clock.now + 60

    def faults(asked: Asked) -> Fault | None:
        return rate_limited("10") if asked.number > 20 and clock.now < end else None

    with Server(faults) as server:
        path = judged_study(tmp_path / "study", server, 100)
        result = ran(path, clock=clock, sleep=clock.sleep)
        assert result.exit_code == 0
        assert set(server.answered.values()) == {1}
        assert len(server.answered) == 100
        assert end <= clock.now < end + 60
        assert server.total <= 100 + 4 * 13, "four at once, and none before the time is over"


def test_a_score_in_words_is_read(tmp_path: Path) -> None:
    def in_words(asked: Asked) -> JSONDict:
        return completion("Intent: Praise. The writer is content.")

    with Server(answering=in_words) as server:
        path = judged_study(tmp_path / "study", server, 3, {"reply": "words"})
        assert row(dict(ran(path).data))["answered"] == 3
        assert "response_format" not in next(iter(server.bodies.values()))


# --- when it stops ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "code", "hint", "most"),
    [
        (error(401, f"Incorrect API key: {KEY}"), "key-refused", "`key: NAME`", 4),
        (error(404, "no such model"), "no-model", "`model`", 4),
        (error(429, "You exceeded your quota", "insufficient_quota"), "no-credit", "Top it up", 4),
        (error(400, "'temperature' is not supported"), "bad-request", "`temperature: ~`", 7),
    ],
)
def test_what_no_other_request_would_get_past_ends_it(
    fault: Fault, code: str, hint: str, most: int, tmp_path: Path
) -> None:
    with Server(lambda _: fault) as server:
        path = judged_study(tmp_path / "study", server, 200)
        result = ran(path, key=KEY)
        outcome = result.outcomes[0]
        assert (result.exit_code, outcome.state, outcome.code) == (1, "failed", code)
        assert hint in outcome.hint
        assert server.total <= most
        assert "). " in outcome.message and outcome.message.endswith(". 200 are left to ask.")
        assert KEY not in json.dumps(result.as_json())
        assert KEY.encode() not in everything(path.parent)


def test_a_key_that_is_not_taken_is_to_be_set_right(tmp_path: Path) -> None:
    with Server(lambda _: error(401, "no")) as server:
        path = judged_study(tmp_path / "study", server, 1, {"key": "MODEL_KEY"})
        outcome = ran(path, key=KEY).outcomes[0]
        assert "MODEL_KEY holds a key that it does not take" in outcome.message
        assert "right key" in outcome.hint
        assert outcome.message.endswith(" 1 is left to ask.")


# --- how sure a judge is ---------------------------------------------------------------------------------------------

PROBABLE = {"confidence": "probability"}


def with_probabilities(asked: Asked) -> JSONDict:
    """A good answer in tokens of one letter, each of which has a probability."""
    reply = by_content(asked)
    letters = reply["choices"][0]["message"]["content"]
    reply["choices"][0]["logprobs"] = {"content": [{"token": letter, "logprob": -0.01} for letter in letters]}
    return reply


def test_an_endpoint_without_probabilities_is_given_up_after_a_few_answers(tmp_path: Path) -> None:
    with Server() as server:
        path = judged_study(tmp_path / "study", server, 200, PROBABLE, {"name": "other"})
        result = ran(path)
        outcome = result.outcomes[0]
        assert (outcome.state, outcome.code, result.exit_code) == ("failed", "no-probabilities", 1)
        assert "gives no token probabilities" in outcome.message
        assert "`confidence: simulated`" in outcome.hint and "`confidence: none`" in outcome.hint
        said = row(dict(result.data))
        assert 3 <= said["answered"] <= 2 + 4, "and what was under way"
        assert f"0 of {said['answered']} answers say how sure" in outcome.message
        assert f"{200 - said['answered']} are left to ask." in outcome.message
        assert said["confidence"] == {"n_answers": said["answered"], "n_known": 0}
        assert row(dict(result.data), "other")["answered"] == 200, "the others go on"
        # The answers stay; the endpoint may have learned it by now.
        server.answering = with_probabilities
        again = ran(path, Order(judges=("strict",)))
        assert row(dict(again.data))["answered"] == 200 - said["answered"]
        assert (again.outcomes[0].state, again.exit_code) == ("ok", 0)
        assert f"{200 - said['answered']} of 200 answers say how sure the judge was" in again.outcomes[0].message
        assert set(server.answered.values()) == {1}


def test_probabilities_for_some_answers_stop_nothing(tmp_path: Path) -> None:
    def some(asked: Asked) -> JSONDict:
        return with_probabilities(asked) if asked.number == 1 else by_content(asked)

    with Server(answering=some) as server:
        path = judged_study(tmp_path / "study", server, 20, PROBABLE | {"concurrency": 1})
        result = ran(path)
        assert (result.outcomes[0].state, row(dict(result.data))["answered"]) == ("ok", 20)
        assert "1 of 20 answers say how sure the judge was" in result.outcomes[0].message
        again = ran(path)
        assert "20 answered before; 1 of 20 answers say how sure" in again.outcomes[0].message


def test_all_answers_with_probabilities_need_no_word(tmp_path: Path) -> None:
    with Server(answering=with_probabilities) as server:
        path = judged_study(tmp_path / "study", server, 10, PROBABLE)
        result = ran(path)
        assert row(dict(result.data))["confidence"] == {"n_answers": 10, "n_known": 10}
        assert "how sure" not in result.outcomes[0].message
        study = load(path)
        with Store(study.state_dir) as store:
            assert all(rating.confidence is not None for rating in current(study, store).judgements())


def test_too_few_answers_to_stop_are_said_all_the_same(tmp_path: Path) -> None:
    with Server() as server:
        path = judged_study(tmp_path / "study", server, 2, PROBABLE)
        for _ in range(2):  # and with nothing left to ask
            outcome = ran(path).outcomes[0]
            assert (outcome.state, outcome.code) == ("warning", "no-probabilities")
            assert "0 of 2 answers say how sure" in outcome.message
        assert server.total == 2


def test_refusals_say_nothing_of_probabilities(tmp_path: Path) -> None:
    with Server(answering=lambda _: completion(None, refusal="No.")) as server:
        path = judged_study(tmp_path / "study", server, 10, PROBABLE)
        result = ran(path)
        assert row(dict(result.data))["refused"] == 10
        assert result.outcomes[0].code == "no-score"


# --- what was said ---------------------------------------------------------------------------------------------------


def test_replies_without_a_score_are_a_warning_that_says_where_they_are(tmp_path: Path) -> None:
    with Server(answering=odd_answers) as server:
        path = judged_study(tmp_path / "study", server, 60)
        outcome = ran(path).outcomes[0]
        assert (outcome.state, outcome.code) == ("warning", "no-score")
        assert "refused" in outcome.message and "not understood" in outcome.message
        assert "--replies replies.jsonl" in outcome.hint
        other = judged_study(tmp_path / "other", server, 60)
        target = tmp_path / "mine.jsonl"
        assert str(target) in ran(other, Order(replies=target)).outcomes[0].hint


def test_replies_are_written_and_read_back_as_judges_scores(tmp_path: Path) -> None:
    target = tmp_path / "replies.jsonl"
    with Server(answering=odd_answers) as server:
        path = judged_study(tmp_path / "study", server, 60, {}, {"name": "other"})
        result = ran(path, Order(judges=("strict",), replies=target))
        assert result.data["replies_path"] == str(target)
        rows = [json.loads(line) for line in target.read_text().splitlines()]
        assert [each["item"] for each in rows] == [f"m{number:04}" for number in range(60)], "as in the study"
        assert tuple(rows[0]) == REPLY_COLUMNS
        texts = {item: json.loads(raw)["choices"][0]["message"] for item, raw in replies(path.parent).items()}
        for each in rows:
            said = texts[each["item"]]
            assert each["reply"] == (said["content"] or said["refusal"])
            assert (each["value"] is None) == (each["reason"] is not None)
        study = load(path)
        with Store(study.state_dir) as store:
            stored = RatingTable.from_ratings(current(study, store).judgements())
            assert read_judge_table(target).canonical().content_hash() == stored.canonical().content_hash()
            before = target.read_bytes()
            # With nothing to ask, with a dry run, of fewer items, of an earlier prompt, over an earlier file.
            ran(path, Order(judges=("strict",), replies=target))
            assert target.read_bytes() == before
            plan_run(study, store, Order(judges=("strict",), limit=5, replies=target))
            assert target.read_bytes().splitlines() == before.splitlines()[:5]
            for name in ("mine.jsonl", "judges.jsonl"):
                mine = tmp_path / name
                mine.write_text('{"judge": "a", "item": "m0000", "criterion": "intent", "value": "Praise"}\n')
                with pytest.raises(OpsError) as caught:
                    ran(path, Order(replies=mine))
                assert caught.value.code == "would-overwrite"
            with pytest.raises(OpsError) as caught:
                ran(path, Order(replies=tmp_path / "replies.csv"))
            assert caught.value.code == "wrong-suffix"
        assert server.total == 60, "a target that cannot be written is refused before anything is asked"


def test_replies_to_an_earlier_prompt_are_not_written(tmp_path: Path) -> None:
    target = tmp_path / "replies.jsonl"
    with Server() as server:
        path = judged_study(tmp_path / "study", server, 4)
        ran(path)
        tasks = path.parent / "tasks.jsonl"
        tasks.write_text(tasks.read_text().replace("Message 2", "Message 22"))
        study = load(path)
        with Store(study.state_dir) as store:
            planned = plan_run(study, store, Order(replies=target))
            assert "3 lines of 3 requests" in planned.outcomes[-1].message
            assert [json.loads(line)["item"] for line in target.read_text().splitlines()] == ["m0000", "m0001", "m0003"]
        bare = load(judged_study(tmp_path / "bare", server, 4))
        with Store(bare.state_dir) as store:
            nothing = plan_run(bare, store, Order(replies=tmp_path / "none.jsonl"))
        assert nothing.outcomes[-1].code == "no-replies"
        assert not (tmp_path / "none.jsonl").exists()


def test_an_endpoint_that_is_down_is_not_asked_a_thousand_times(tmp_path: Path) -> None:
    with Server() as server:
        path = judged_study(tmp_path / "study", server, 1000)
    result = ran(path)
    assert result.outcomes[0].code == "unreachable"
    assert row(dict(result.data))["failed"] < 20
    assert row(dict(result.data))["remaining"] == 1000


def test_one_odd_item_does_not_stop_the_others(tmp_path: Path) -> None:
    def faults(asked: Asked) -> Fault | None:
        return error(400, "Invalid content") if "Message 7:" in json.dumps(asked.body) else None

    with Server(faults) as server:
        path = judged_study(tmp_path / "study", server, 30)
        result = ran(path)
        assert (row(dict(result.data))["failed"], row(dict(result.data))["answered"]) == (1, 29)


def test_one_judge_that_ends_leaves_the_others_alone(tmp_path: Path) -> None:
    with Server(lambda _: error(401, "no")) as closed, Server() as server:
        path = judged_study(tmp_path / "study", server, 50, {"name": "shut", "base_url": closed.url}, {"name": "open"})
        result = ran(path)
        assert {outcome.subject: outcome.state for outcome in result.outcomes} == {"shut": "failed", "open": "ok"}
        assert row(dict(result.data), "open")["answered"] == 50
        assert row(dict(ran(path, Order(judges=("open",))).data), "open")["reused"] == 50


def test_a_full_disk_ends_it_in_words_and_what_is_stored_stays(tmp_path: Path) -> None:
    with Server() as server:
        path = judged_study(tmp_path / "study", server, 2000)
        study = load(path)
        with Store(study.state_dir) as store:
            pages = store._db.execute("PRAGMA page_count").fetchone()[0]
            store._db.execute(f"PRAGMA max_page_count = {pages + 100}")
            from annotator_ops.steps.judge_run import run_judges

            with pytest.raises(OpsError) as caught:
                run_judges(study, store, Order(), connect=quick(), board=Shown())
        assert caught.value.code == "store-unreadable"
        assert 0 < len(replies(path.parent)) < 2000
        assert server.total <= len(replies(path.parent)) + 4
        assert ran(path).exit_code == 0
        assert len(replies(path.parent)) == 2000


def test_two_runs_at_once_would_pay_twice(tmp_path: Path) -> None:
    with Server(lambda asked: Fault("late") if asked.number == 1 else None) as server:
        path = judged_study(tmp_path / "study", server, 10)
        thread = threading.Thread(target=ran, args=(path,))
        thread.start()
        server.wait_for(lambda seen: seen.waiting == 1)
        with pytest.raises(OpsError, match="ops judge run") as caught:
            ran(path)
        assert caught.value.code == "locked"
        server.release()
        thread.join()
        assert set(server.answered.values()) == {1}


# --- money -----------------------------------------------------------------------------------------------------------

PRICE = {"price": {"input": 1000.0, "output": 10_000.0}, "max_tokens": 20}
# What the server says of tokens, at that price: 100 × .001 + 10 × .01.
EACH = 0.2


def test_a_budget_stops_it(tmp_path: Path) -> None:
    with Server() as server:
        path = judged_study(tmp_path / "study", server, 200, PRICE)
        result = ran(path, Order(budget=10.0))
        said = row(dict(result.data))
        assert result.exit_code == 0
        assert result.outcomes[0].code == "budget-reached"
        assert 0 < said["answered"] < 50
        assert said["remaining"] == 200 - said["answered"]
        assert said["cost"] == pytest.approx(EACH * said["answered"])
        assert result.data["spent"] == pytest.approx(said["cost"])
        assert said["cost"] <= 10.0
        assert said["answered"] == server.total
        assert f"{said['remaining']} requests are left" in result.outcomes[0].hint
        rest = ran(path)
        assert row(dict(rest.data))["answered"] == said["remaining"]
        assert set(server.answered.values()) == {1}


def test_what_may_have_been_billed_counts_as_spent(tmp_path: Path) -> None:
    with Server(lambda _: CUT) as server:
        path = judged_study(tmp_path / "study", server, 1, PRICE)
        most = plan_run_cost(path)
        result = ran(path, Order(budget=most * 3.5))
        assert server.total == 3
        assert result.data["spent"] == pytest.approx(most * 3)


def plan_run_cost(path: Path) -> float:
    study = load(path)
    with Store(study.state_dir) as store:
        planned = plan_run(study, store, Order())
    return float(row(dict(planned.data))["estimated_most_cost"])


def test_a_budget_of_nothing_asks_nothing(tmp_path: Path) -> None:
    with Server() as server:
        path = judged_study(tmp_path / "study", server, 5, PRICE)
        result = ran(path, Order(budget=0.0))
        assert (server.total, result.outcomes[0].code) == (0, "budget-reached")


def test_replies_that_do_not_say_their_tokens_are_estimated(tmp_path: Path) -> None:
    with Server(answering=lambda asked: by_content(asked) | {"usage": None}) as server:
        path = judged_study(tmp_path / "study", server, 5, PRICE)
        most = plan_run_cost(path)
        result = ran(path)
        assert row(dict(result.data))["cost"] == pytest.approx(most)
        assert "5 replies do not say their tokens" in result.outcomes[0].message


# --- what is asked ---------------------------------------------------------------------------------------------------


def test_a_dry_run_asks_nothing_and_shows_what_it_would(tmp_path: Path) -> None:
    with Server() as server:
        path = judged_study(tmp_path / "study", server, 12, PRICE)
        study = load(path)
        with Store(study.state_dir) as store:
            planned = plan_run(study, store, Order(limit=4))
        assert server.total == 0
        said = row(dict(planned.data))
        assert (said["requests"], said["remaining"]) == (4, 4)
        assert said["estimated_prompt_tokens"] > 0
        assert said["estimated_most_cost"] > 4 * 20 * 0.01
        assert "Message 0: is anybody there?" in planned.notes[0]
        ran(path, Order(limit=4))
        assert planned.data["first_request"] in server.bodies.values()


def test_a_limit_is_of_items_and_the_same_ones_each_time(tmp_path: Path) -> None:
    with Server() as server:
        path = judged_study(tmp_path / "study", server, 12)
        ran(path, Order(limit=5))
        ran(path, Order(limit=5))
        assert sorted(replies(path.parent)) == [f"m{number:04}" for number in range(5)]
        assert server.total == 5


def test_items_of_one_text_get_a_verdict_each(tmp_path: Path) -> None:
    with Server() as server:
        path = judged_study(tmp_path / "study", server, 4)
        tasks = [{"id": f"m{number}", "text": f"Message {number % 2}"} for number in range(4)]
        (path.parent / "tasks.jsonl").write_text("".join(f"{json.dumps(task)}\n" for task in tasks))
        ran(path)
        study = load(path)
        with Store(study.state_dir) as store:
            assert {rating.item for rating in current(study, store).judgements()} == {"m0", "m1", "m2", "m3"}


def test_a_task_that_was_changed_is_asked_about_anew(tmp_path: Path) -> None:
    with Server() as server:
        path = judged_study(tmp_path / "study", server, 4)
        ran(path)
        tasks = path.parent / "tasks.jsonl"
        tasks.write_text(tasks.read_text().replace("Message 2", "Message 22"))
        assert (row(dict(ran(path).data))["asked"], server.total) == (1, 5)
        study = load(path)
        with Store(study.state_dir) as store:
            assert len(current(study, store).judgements()) == 4
            assert len(store.judgements.answered()) == 5, "the reply about the old text stays"


def test_simulated_annotators_are_shown_what_people_said(tmp_path: Path) -> None:
    with Server() as server:
        simulated = {"confidence": "simulated", "annotators": 3, "examples": 2}
        path = judged_study(tmp_path / "study", server, 10, simulated)
        study = load(path)
        with pytest.raises(OpsError) as caught:
            ran(path)
        assert caught.value.code == "too-few-ratings"
        with Store(study.state_dir) as store:
            ratings = tuple(
                Rating(name, "human", f"m{number:04}", "intent", label, source="h")
                for name, label in (("anna", "Praise"), ("ben", "Complaint"))
                for number in range(5)
            )
            for name in ("anna", "ben"):
                own = tuple(rating for rating in ratings if rating.rater == name)
                store.put_parsed(store.add_export(name, b"[]", "f"), Parsed(own), reading_hash(study))
        result = ran(path)
        assert row(dict(result.data))["answered"] == server.total
        assert row(dict(result.data))["requests"] == 30
        texts = [json.dumps(body["messages"]) for body in server.bodies.values()]
        assert any("Praise" in text.split("Rate this item")[0] for text in texts)
        with Store(study.state_dir) as store:
            judged = current(study, store).judgements()
        assert len(judged) == 10
        assert all(rating.confidence is not None for rating in judged if rating.value is not None)


def test_pairs_are_asked_in_both_orders(tmp_path: Path) -> None:
    with Server() as server:
        judge = {"name": "strict", "model": "pretender", "base_url": server.url, "both_orders": True}
        study = write_study(tmp_path / "study", {"judges": [judge]}, template="pairwise")
        content = yaml.safe_load(study.read_text())
        content["criteria"] = [{"name": "better", "level": "nominal"}]
        study.write_text(yaml.safe_dump(content, allow_unicode=True))
        (study.parent / "label-config.xml").write_text(
            '<View><Text name="a" value="$answer_a"/><Text name="b" value="$answer_b"/>'
            '<Pairwise name="better" toName="a,b"/></View>'
        )
        target = tmp_path / "replies.jsonl"
        result = ran(study, Order(replies=target))
        loaded = load(study)
        assert result.exit_code == 0, result.outcomes
        assert row(dict(result.data))["requests"] == 2 * len(loaded.tasks)
        with Store(loaded.state_dir) as store:
            ratings = current(loaded, store).judgements()
        written = read_judge_table(target).canonical()
        assert written.content_hash() == RatingTable.from_ratings(ratings).canonical().content_hash()
        assert {rating.order for rating in written.ratings()} == {"given", "swapped"}
        orders = Counter(rating.order for rating in ratings)
        assert set(orders) == {"given", "swapped"}
        assert orders["given"] == orders["swapped"]


def test_what_cannot_be_run_is_said(tmp_path: Path) -> None:
    with Server() as server:
        path = judged_study(tmp_path / "study", server, 3)
        for order, code in ((Order(("nobody",)), "unknown-judge"), (Order(budget=1.0), "no-price")):
            with pytest.raises(OpsError) as caught:
                ran(path, order)
            assert caught.value.code == code
            assert "strict" in caught.value.hint + caught.value.message
        with pytest.raises(OpsError) as caught:
            ran(path, Order(budget=float("nan")))
        assert caught.value.code == "budget-invalid"
        bare = judged_study(tmp_path / "bare", server, 3)
        text = bare.read_text()
        bare.write_text(text[: text.index("judges:")] + text[text.index("label_config:") :])
        with pytest.raises(OpsError) as caught:
            ran(bare)
        assert caught.value.code == "no-model-judges"
        assert server.total == 0


def test_a_new_prompt_is_asked_anew_and_the_old_replies_stay(tmp_path: Path) -> None:
    with Server() as server:
        path = judged_study(tmp_path / "study", server, 4, {"prompt": "mine.md.j2"})
        default = Path(__file__).resolve().parents[2] / "templates" / "judges" / "default.md.j2"
        mine = path.parent / "mine.md.j2"
        mine.write_text(default.read_text())
        ran(path)
        mine.write_text(default.read_text() + "\nBe strict.\n")
        assert row(dict(ran(path).data))["answered"] == 4
        assert server.total == 8
        study = load(path)
        with Store(study.state_dir) as store:
            ratings = current(study, store).judgements()
        assert len({rating.prompt for rating in ratings}) == 2
        assert len(ratings) == 8


def test_the_key_is_sent_and_kept_nowhere(tmp_path: Path) -> None:
    def telling(asked: Asked) -> JSONDict:
        return completion(f"You sent {KEY}. Intent: Praise")

    with Server(lambda asked: HTML if asked.times == 1 else None, telling) as server:
        path = judged_study(tmp_path / "study", server, 5, {"key": "MODEL_KEY"})
        result = ran(path, key=KEY)
        assert all(headers["authorization"] == f"Bearer {KEY}" for headers in server.headers)
        assert KEY not in json.dumps(result.as_json())
        kept = everything(path.parent)
        assert KEY.encode() not in kept
        assert b"You sent [key]." in kept


def test_every_failure_is_noted_with_what_came(tmp_path: Path) -> None:
    with Server(lambda asked: HTML if asked.times == 1 else None) as server:
        path = judged_study(tmp_path / "study", server, 3)
        ran(path)
        database = sqlite3.connect(path.parent / ".ops" / "study.sqlite3")
        kinds = database.execute("SELECT kind, count(*), count(reply) FROM judge_failures GROUP BY kind").fetchall()
        database.close()
        assert kinds == [("nonsense", 3, 3)]
