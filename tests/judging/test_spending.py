"""A budget is never exceeded, and what is left of it is not left lying."""

from __future__ import annotations

import random
import threading

from hypothesis import given
from hypothesis import strategies as st

from annotator_ops.judging.spending import Budget


def never() -> bool:
    return False


def test_without_a_limit_all_is_counted_and_nothing_refused() -> None:
    budget = Budget(None)
    assert all(budget.set_aside(1e9, given_up=never) for _ in range(10))
    budget.settle(1e9, 2.5)
    assert budget.spent == 2.5


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1)), max_size=50), st.floats(0, 50))
def test_it_is_never_exceeded(requests: list[tuple[float, float]], limit: float) -> None:
    budget = Budget(limit)
    for most, share in requests:
        if budget.set_aside(most, given_up=never):
            budget.settle(most, most * share)
        else:
            assert budget.spent + most > limit
    assert budget.spent <= limit * (1 + 1e-9)


def test_many_spend_from_it_at_once() -> None:
    budget = Budget(10.0)
    asked: list[float] = []
    under_way: list[float] = []
    guard = threading.Lock()

    def spend(seed: int) -> None:
        dice = random.Random(seed)
        while budget.set_aside(1.0, given_up=never):
            with guard:
                under_way.append(1.0)
                assert len(under_way) + budget.spent <= 10.0 + 1e-9
            cost = dice.random() / 4
            with guard:
                under_way.pop()
                asked.append(cost)
            budget.settle(1.0, cost)

    threads = [threading.Thread(target=spend, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 9.0 < budget.spent <= 10.0, "it stops only when the next request might not be covered"
    assert abs(budget.spent - sum(asked)) < 1e-9


def test_who_waits_for_money_can_give_up() -> None:
    budget = Budget(1.5)
    assert budget.set_aside(1.0, given_up=never)
    assert not budget.set_aside(1.0, given_up=lambda: True)
    waited: list[bool] = []
    thread = threading.Thread(target=lambda: waited.append(budget.set_aside(1.0, given_up=never)))
    thread.start()
    budget.settle(1.0, 0.25)
    thread.join(10)
    assert waited == [True], "what the other had set aside and not spent is free again"
