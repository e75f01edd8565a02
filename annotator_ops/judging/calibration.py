"""Layer 2. A calibration as a file: thresholds, what they promise, and for which versions of which judges."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from annotator_ops.errors import OpsError
from annotator_ops.judge_settings import VERSION_MARK, ModelJudge, base_name
from annotator_ops.models import content_hash
from annotator_ops.stats.table import RatingTable
from annotator_ops.stats.values import MISSING, FloatArray
from annotator_ops.stats.vocabulary import used
from annotator_ops.task_files import read_text

SCHEMA = "annotator-ops/calibration@1"


class _Shape(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class JudgeThreshold(_Shape):
    """One judge of a calibration: trusted from the confidence `threshold` on; None: it always abstains.

    `model` and `prompt` say which version it was; None where its scores do not say so.
    """

    judge: str
    threshold: float | None = Field(ge=0, le=1, allow_inf_nan=False)
    model: str | None = None
    prompt: str | None = None


class Agreement(_Shape):
    """When a judge agrees with people: at most `within` from their mean, or in the category of their majority."""

    rule: Literal["within", "majority"]
    within: float | None = None

    @property
    def words(self) -> str:
        if self.rule == "majority":
            return "the category that most people gave"
        return f"a score at most {self.within:g} from the mean of people’s"


class Calibration(_Shape):
    """What `ops judge apply` needs of a calibration; the judges in the order in which they are asked."""

    criterion: str
    alpha: float
    delta: float
    agreement: Agreement
    judges: tuple[JudgeThreshold, ...] = Field(min_length=1)

    @property
    def thresholds(self) -> tuple[float | None, ...]:
        return tuple(one.threshold for one in self.judges)

    @property
    def promise(self) -> str:
        """What the thresholds promise, in words."""
        return (
            f"With a probability of at least {100 - 100 * self.delta:g}%, a trusted judge agrees with people on at "
            f"least {100 - 100 * self.alpha:g}% of items like those of the calibration; agreement is "
            f"{self.agreement.words}."
        )


def read_calibration(path: Path) -> Calibration:
    """The calibration that `ops judge calibrate` wrote.

    Raises OpsError: "no-calibration"; "calibration-changed" where it is not as it was written.
    """
    text, problems = read_text(path, where=path.name)
    hint = "Name the file that `ops judge calibrate` wrote with --calibration, or run that command first."
    if text is None:
        raise OpsError(problems[0].message, hint=hint, code="no-calibration")
    try:
        plain = json.loads(text)
        if not isinstance(plain, dict) or plain.get("schema") != SCHEMA:
            raise OpsError(f"{path.name} is no calibration of judges.", hint=hint, code="no-calibration")
        found = Calibration.model_validate(plain)
        fits = plain.get("checksum") == checksum(plain)
    except (json.JSONDecodeError, RecursionError, ValidationError) as error:
        raise OpsError(
            f"{path.name} is no whole calibration ({type(error).__name__}).", hint=hint, code="no-calibration"
        ) from None
    if not fits:
        raise OpsError(
            f"{path.name} is not as `ops judge calibrate` wrote it, so what its thresholds promise does not hold.",
            hint="Run `ops judge calibrate` again; --alpha, --delta and --within say what is to be promised.",
            code="calibration-changed",
        )
    return found


def checksum(content: Mapping[str, Any]) -> str:
    """The hash of all that a calibration says, which stands in it as `checksum`."""
    return content_hash({name: value for name, value in content.items() if name != "checksum"})


@dataclass(frozen=True, slots=True)
class Version:
    """Which model and which version of a prompt a judge's scores are of; None where they do not say."""

    model: str | None
    prompt: str | None

    @property
    def words(self) -> str:
        parts = [f"model {self.model}"] if self.model else []
        parts += [f"prompt {self.prompt}"] if self.prompt else []
        return ", ".join(parts) or "no version"


def rows_of(table: RatingTable, judge: str) -> RatingTable:
    """One judge's rows."""
    judges = table.models()
    if judge not in judges.raters:
        return judges.where(np.zeros(len(judges), dtype=np.bool_))
    return judges.where(judges.rater == judges.raters.index(judge))


def version_of(rows: RatingTable) -> Version:
    """The version of one judge's rows; several models or prompts, which only a hand-made file has, are listed."""
    models, prompts = (
        ", ".join(sorted(vocabulary[code] for code in used(vocabulary, codes)))
        for vocabulary, codes in ((rows.model_names, rows.model), (rows.prompts, rows.prompt))
    )
    return Version(models or None, prompts or None)


def found_again(table: RatingTable, wanted: JudgeThreshold, *, models: Mapping[str, ModelJudge] | None = None) -> str:
    """The rater of a table that is the very judge of a calibration: of its name, its model and its prompt.

    `models` are the study's, by name. A judge that has several versions there has a rater for each.
    Raises OpsError: "unknown-judge", "judge-changed", "no-confidence".
    """
    base = base_name(wanted.judge)
    raters = table.models().raters_here()
    versions = {
        name: version_of(rows_of(table, name))
        for name in raters
        if name in (wanted.judge, base) or name.startswith(base + VERSION_MARK)
    }
    calibrated = Version(wanted.model, wanted.prompt)
    for name, version in versions.items():
        if version == calibrated:
            rows = rows_of(table, name)
            if np.isnan(rows.confidence).all() and rows.rated.any():
                raise no_confidence(name, models=models)
            return name
    if not versions:
        raise OpsError(
            f"{wanted.judge} was calibrated, but there is no score of it on this criterion.",
            hint=f"Give its scores with --judges or run it. The judges here are: {', '.join(raters) or 'none'}.",
            code="unknown-judge",
        )
    now = list(versions.values())
    what = "prompt" if all(version.model == wanted.model for version in now) else "model"
    raise OpsError(
        f"The {what} of {wanted.judge} changed since the calibration: then {calibrated.words}, now "
        f"{'; '.join(version.words for version in now)}. The thresholds do not hold for it.",
        hint="Run `ops judge calibrate` again with scores of the version that is to be applied.",
        code="judge-changed",
    )


def no_confidence(judge: str, *, models: Mapping[str, ModelJudge] | None = None) -> OpsError:
    """The error for a judge that never says how sure it is; `models` are the study's, by name."""
    asked = (models or {}).get(base_name(judge))
    if asked is not None and asked.confidence == "probability":
        return OpsError(
            f"{judge} was asked for the probabilities of its tokens (`confidence: probability`), and its endpoint gave "
            "none that tell how sure it was of a score, so there is nothing to choose a threshold of.",
            hint="Write `confidence: simulated` for the judge in study.yaml, or give it an endpoint that has "
            "probabilities, and run `ops judge run`.",
            code="no-confidence",
        )
    return OpsError(
        f"{judge} has scores, but not how sure it was of any, so there is nothing to choose a threshold of.",
        hint="Give its file a column `confidence` (0 to 1), or write `confidence: probability` or `confidence: "
        "simulated` for the judge in study.yaml and run `ops judge run`.",
        code="no-confidence",
    )


def confidences(table: RatingTable, judges: Sequence[str], items: Sequence[str]) -> FloatArray:
    """How sure each judge was of each item, judges × items; NaN without a score or without a confidence.

    `table` has the rows on one criterion, one a judge and item.
    """
    return spread(table, judges, items, np.where(table.rated, table.confidence, np.nan))


def spread(table: RatingTable, raters: Sequence[str], items: Sequence[str], column: FloatArray) -> FloatArray:
    """A column of a table as raters × items, NaN where there is no row."""
    place = {item: number for number, item in enumerate(items)}
    row_of = {rater: number for number, rater in enumerate(raters)}
    rater = np.array([*(row_of.get(name, MISSING) for name in table.raters), MISSING], dtype=np.intp)[table.rater]
    item = np.array([*(place.get(name, MISSING) for name in table.items), MISSING], dtype=np.intp)[table.item]
    here = (rater != MISSING) & (item != MISSING)
    cells = np.full((len(raters), len(items)), np.nan)
    cells[rater[here], item[here]] = column[here]
    return cells
