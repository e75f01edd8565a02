"""Layer 1. The shape of what study.yaml says about judges (`judges:`, `judging:`), and the records made of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from annotator_ops.judge_settings import (
    EPSILONS,
    ConfidenceSource,
    Ensemble,
    JudgeFile,
    Judging,
    Merging,
    ModelJudge,
    Price,
    ReplyForm,
)

Text = Annotated[str, Field(min_length=1, max_length=500)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_OPENAI = "https://api.openai.com/v1"
# What the project sets itself in a request, and what would be a secret in a file that is shared.
_OURS = frozenset({"model", "messages", "temperature", "response_format", "top_logprobs", "max_tokens", "stream", "n"})
_SECRET = frozenset({"api_key", "authorization"})


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")) or "@" in text or any(sign.isspace() for sign in text):
        raise ValueError("must be an address such as http://localhost:11434/v1, without a name or password in it")
    return text.rstrip("/")


def _variable(text: str) -> str:
    if not text.replace("_", "a").isalnum() or not text.isascii() or text != text.upper() or text[0].isdigit():
        raise ValueError(
            "must be the name of an environment variable or key file, in capital letters, digits and _, such as "
            "OPENAI_API_KEY; never the key itself"
        )
    return text


def _epsilon(written: object) -> object:
    if isinstance(written, str) and written not in EPSILONS:
        raise ValueError(f"must be {', '.join(EPSILONS)}, or a number from 0 to 1")
    return EPSILONS[written] if isinstance(written, str) else written


def _options(given: dict[str, Any]) -> dict[str, Any]:
    taken = sorted(name for name in given if name.lower() in _OURS | _SECRET)
    if taken:
        raise ValueError(f"may not set {', '.join(taken)}, which have keys of their own here")
    return given


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PriceShape(Shape):
    input: NotNegative
    output: NotNegative


class JudgeShape(Shape):
    """A file of scores (`file`), or a model to run (`name` and `model`)."""

    file: Text | None = None
    turns: Merging | None = None
    name: Text | None = None
    model: Text | None = None
    base_url: Annotated[str, AfterValidator(_url)] = _OPENAI
    key: Annotated[str, AfterValidator(_variable)] | None = None
    prompt: Text | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = 0.0
    max_tokens: Annotated[int, Field(ge=1, le=100_000)] = 512
    reply: ReplyForm = "schema"
    confidence: ConfidenceSource = "none"
    annotators: Annotated[int, Field(ge=2, le=100)] = 5
    examples: Annotated[int, Field(ge=1, le=100)] = 5
    both_orders: bool = False
    price: PriceShape | None = None
    concurrency: Annotated[int, Field(ge=1, le=256)] = 4
    requests_per_minute: Positive | None = None
    timeout: Positive = 60.0
    options: Annotated[dict[str, Any], AfterValidator(_options)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_of_two(self) -> JudgeShape:
        given = self.model_fields_set
        if self.file is not None:
            if given - {"file", "turns"}:
                raise ValueError("names a file, which takes no other key than turns")
        elif self.name is None or self.model is None:
            raise ValueError("needs a `file` with scores, or a `name` and a `model` to run")
        elif self.turns is not None:
            raise ValueError("has `turns`, which is for a file of scores")
        return self


class EnsembleShape(Shape):
    name: Text
    judges: list[Text] = Field(default_factory=list)
    how: Literal["mean", "median"] = "mean"
    weights: dict[str, Positive] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _weighted(self) -> EnsembleShape:
        if self.weights and self.how != "mean":
            raise ValueError("has weights, which only a mean takes")
        if self.weights and self.judges and set(self.weights) != set(self.judges):
            raise ValueError("must give each of its judges a weight, and no other")
        return self


class JudgingShape(Shape):
    ensembles: list[EnsembleShape] = Field(default_factory=list)
    weights: dict[str, Positive] = Field(default_factory=dict)
    relatives: dict[str, list[Text]] = Field(default_factory=dict)
    agrees_within: NotNegative | None = None
    epsilon: Annotated[float, Field(ge=0, lt=1), BeforeValidator(_epsilon)] = 0.15
    random_sample: bool = False
    ranking: Text | None = None


def judge_files(shapes: list[JudgeShape], root: Path) -> tuple[JudgeFile, ...]:
    """The files of scores, in the order of the study file."""
    return tuple(
        JudgeFile(root / Path(shape.file).expanduser(), shape.turns) for shape in shapes if shape.file is not None
    )


def model_judge(shape: JudgeShape, prompt: str, prompt_name: str) -> ModelJudge:
    """The record of a model to run; `prompt` is the text of its template."""
    plain = shape.model_dump(exclude={"file", "turns", "price", "prompt"})
    price = Price(shape.price.input, shape.price.output) if shape.price else None
    return ModelJudge(**plain, price=price, prompt=prompt, prompt_name=prompt_name)


def judging(shape: JudgingShape, root: Path) -> Judging:
    """How the judges are measured; `ranking` is taken from the study file's folder."""
    return Judging(
        ensembles=tuple(
            Ensemble(each.name, tuple(each.judges or each.weights), each.how, each.weights) for each in shape.ensembles
        ),
        weights=shape.weights,
        relatives=_tuples(shape.relatives),
        agrees_within=shape.agrees_within,
        epsilon=shape.epsilon,
        random_sample=shape.random_sample,
        ranking=root / Path(shape.ranking).expanduser() if shape.ranking else None,
    )


def _tuples(given: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(values) for name, values in given.items()}
