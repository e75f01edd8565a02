"""Entries of judges as an analysis has them, made by hand, for the words and tables that are made of them."""

from __future__ import annotations

from annotator_ops.models import JSONDict


def estimate(
    value: float | None, low: float | None = None, high: float | None = None, *, n: int = 1200, reason: str = ""
) -> JSONDict:
    return {
        "value": value,
        "low": low,
        "high": high,
        "confidence": 0.95,
        "method": "",
        "standard_error": None,
        "seed": 0,
        "reason": reason or None,
        "reason_code": "reason" if reason else None,
        "n_items": n,
        "n_raters": 3,
    }


def around(value: float, *, half: float = 0.05) -> JSONDict:
    return estimate(value, value - half, value + half)


def coefficients(rho: JSONDict) -> JSONDict:
    return {"spearman": rho, "kendall_tau_b": rho, "pearson": rho}


def alt_test(beaten: list[bool | None], *, epsilon: float = 0.15, score: str = "-RMSE") -> JSONDict:
    tested = [each for each in beaten if each is not None]
    reason = None if tested else "No annotator has 30 items that another annotator and the judge rated, too."
    rate = sum(tested) / len(tested) if tested else None
    return {
        "score": score,
        "winning_rate": rate,
        "advantage_probability": 0.72 if tested else None,
        "epsilon": epsilon,
        "passes": None if rate is None else rate >= 0.5,
        "annotators": [
            {
                "rater": f"expert_{place}",
                "n_items": 1200 if each is not None else 12,
                "judge_wins": 0.8,
                "annotator_wins": 0.7,
                "p_value": None if each is None else 0.0001 if each else 0.9,
                "beaten": each,
                "reason": "12 items; the test needs 30." if each is None else None,
            }
            for place, each in enumerate(beaten, start=1)
        ],
        "reason": reason,
        "reason_code": "too-few-items" if reason else None,
    }


def judge(name: str, rho: JSONDict, **more: object) -> JSONDict:
    """One judge that three annotators are there for, two of whom it beats."""
    steps = [
        {"k": k, "spearman": share * (rho["value"] or 0), "low": 0.1, "high": 0.9, "n_subsets": n}
        for k, share, n in ((1, 0.8, 3), (2, 0.9, 3), (3, 1.0, 1))
    ]
    entry: JSONDict = {
        "rater": name,
        "n": 1200,
        "mean": 3.2,
        "sd": 1.1,
        "median_seconds": None,
        "missing": {},
        "n_items": 1200,
        "model": None,
        "prompt": None,
        **coefficients(rho),
        "accuracy": None,
        "cohen_kappa": None,
        "bias": {
            "severity": estimate(-0.4, -0.5, -0.3),
            "spread_ratio": estimate(1.2, 1.1, 1.3),
            "length": None,
            "position": None,
            "self_preference": None,
        },
        "confusion": {"values": [1.0, 2.0], "counts": [[3, 1], [0, 0]]},
        "systems": None,
        "alt_test": alt_test([True, True, False]),
        "by_annotators": steps,
    }
    return entry | more


def ensemble(name: str, rho: JSONDict, judges: list[str], **more: object) -> JSONDict:
    entry: JSONDict = {
        "name": name,
        "judges": judges,
        "how": "mean",
        "weights": {},
        "n_items": 1190,
        "n_items_dropped": 10,
        **coefficients(rho),
        "alt_test": alt_test([True, True, True]),
        "systems": None,
        "by_annotators": [],
    }
    return entry | more


def ceiling(*values: float) -> JSONDict:
    mean = around(sum(values) / len(values), half=0.02)
    return {
        "annotators": [
            {"rater": f"expert_{place}", **coefficients(around(value))} for place, value in enumerate(values, start=1)
        ],
        "mean": coefficients(mean),
        "reason": None,
    }


def criterion(judges: list[JSONDict], ensembles: list[JSONDict] | None = None, **more: object) -> JSONDict:
    entry: JSONDict = {
        "name": "coherence",
        "title": "Coherence",
        "judges": judges,
        "ensembles": ensembles or [],
        "human_ceiling": ceiling(0.49, 0.51, 0.53),
        "judge_pairs": [],
        "drift": [],
        "few_labels": None,
    }
    return entry | more
