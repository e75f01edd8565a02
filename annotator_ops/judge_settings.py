"""Layer 1. The frozen records of what a study says about model judges: which to run, and how to measure them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Merging = Literal["mean", "median", "min", "max", "last"]
ReplyForm = Literal["schema", "json", "words"]
ConfidenceSource = Literal["none", "probability", "simulated"]

# The least advantage that counts for an annotator over a judge: what an annotator costs more (Calderon et al. 2025).
EPSILONS: Mapping[str, float] = {"expert": 0.2, "skilled": 0.15, "crowd": 0.1}


# Between a judge's name and what tells its versions (of its prompt, or its model) apart.
VERSION_MARK = " · "


def base_name(judge: str) -> str:
    """A judge's own name, without what tells its versions apart."""
    return judge.split(VERSION_MARK)[0]


@dataclass(frozen=True, slots=True)
class JudgeFile:
    """A file with model judges' scores or raw replies. `turns` says how scores of single turns become an item's."""

    path: Path
    turns: Merging | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs, per million tokens read (`input`) and written (`output`), in the user's own currency."""

    input: float
    output: float


@dataclass(frozen=True, slots=True)
class ModelJudge:
    """A model that `ops judge run` asks at an OpenAI-compatible endpoint.

    `key` names the environment variable that holds the endpoint's key; None where the endpoint wants none. `prompt` is
    the text of the prompt's Jinja2 template, `prompt_name` the file's name. `reply` is how a structured reply is asked
    for: by a JSON schema, by JSON mode, or in words. `both_orders` asks about pairs twice, the second time swapped.
    `annotators` and `examples`: how many simulated annotators, and how many examples of one real annotator each sees.
    `timeout` in seconds. `options` are further fields of the request's body, such as `seed` or `top_p`.
    """

    name: str
    model: str
    base_url: str
    key: str | None
    prompt: str
    prompt_name: str
    temperature: float | None = 0.0
    max_tokens: int = 512
    reply: ReplyForm = "schema"
    confidence: ConfidenceSource = "none"
    annotators: int = 5
    examples: int = 5
    both_orders: bool = False
    price: Price | None = None
    concurrency: int = 4
    requests_per_minute: float | None = None
    timeout: float = 60.0
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Several judges as one. `judges` empty: all of them. `weights` (by judge, positive) make it a weighted mean."""

    name: str
    judges: tuple[str, ...] = ()
    how: Literal["mean", "median"] = "mean"
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judging:
    """How judges are measured.

    `weights` are those of the criteria in the overall mean (empty: all equal; a criterion that is not named: 0).
    `relatives` names, for a judge, the systems that are of its own family. `agrees_within`: a judge agrees with people
    where its score is at most so far from their mean; None: where it is their majority's category. `epsilon` is that of
    the alternative annotator test. `random_sample`: the items that people labelled were drawn at random from all.
    `ranking` is a file with an outside ranking of the systems.
    """

    ensembles: tuple[Ensemble, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    relatives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    agrees_within: float | None = None
    epsilon: float = 0.15
    random_sample: bool = False
    ranking: Path | None = None
