"""Layer 2. Which coefficients a level of measurement has, all of one criterion together."""

from __future__ import annotations

from annotator_ops.measures import Estimate
from annotator_ops.models import Level
from annotator_ops.stats.agreement.alpha import krippendorff_alpha
from annotator_ops.stats.agreement.chance import (
    brennan_prediger,
    cohen_kappa,
    conger_kappa,
    fleiss_kappa,
    gwet_ac1,
    gwet_ac2,
    percent_agreement,
    scott_pi,
)
from annotator_ops.stats.agreement.concordance import (
    kendall_w,
    mean_pairwise_pearson_fisher_z,
    mean_pairwise_spearman_fisher_z,
)
from annotator_ops.stats.agreement.icc import FORMS, Form, icc
from annotator_ops.stats.agreement.joint import Meetings
from annotator_ops.stats.agreement.light import light_kappa
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import ValueKind

# Weights are a table of categories × categories; sliders have intraclass correlations instead.
_MOST_WEIGHTED = 101
_ONE_WAY: tuple[Form, ...] = ("icc1", "icc1k")


def coefficients(
    data: ReliabilityData,
    *,
    kind: ValueKind,
    resampling: Resampling,
    meetings: Meetings | None,
) -> dict[str, Estimate]:
    """Every coefficient that fits, by name; Krippendorff's alpha and percent agreement first, which always do.

    From ordinal on the chance-corrected ones have quadratic weights. For ordinal data intraclass correlations are given
    as well, because many reports ask for them: they take the steps of the scale as equal. `meetings` are those of
    `data`, None where there are too many annotators to compare by pairs. Of anonymous data only what does not ask who
    rated is computed.
    """
    found = {
        "krippendorff_alpha": krippendorff_alpha(data, resampling=resampling),
        "percent_agreement": percent_agreement(data, confidence=resampling.confidence),
    }
    if data.level is Level.CIRCULAR or kind is ValueKind.LABEL_SETS:
        return found
    confidence = resampling.confidence
    nominal = data.level is Level.NOMINAL
    weights = "identity" if nominal else "quadratic"
    if nominal or len(data.domain) <= _MOST_WEIGHTED:
        if nominal:
            found["gwet_ac1"] = gwet_ac1(data, confidence=confidence)
        else:
            found["gwet_ac2"] = gwet_ac2(data, weights=weights, confidence=confidence)
        found["fleiss_kappa"] = fleiss_kappa(data, weights=weights, confidence=confidence)
        if not data.anonymous:
            found["conger_kappa"] = conger_kappa(data, weights=weights, confidence=confidence)
        found["brennan_prediger"] = brennan_prediger(data, weights=weights, confidence=confidence)
        if len(data.raters) == 2 and not data.anonymous:
            found["cohen_kappa"] = cohen_kappa(data, weights=weights, confidence=confidence)
            if nominal:
                found["scott_pi"] = scott_pi(data, confidence=confidence)
    if nominal:
        if meetings is not None:
            found["light_kappa"] = light_kappa(data, meetings=meetings)
        return found
    found |= {form: icc(data, form, confidence=confidence) for form in (_ONE_WAY if data.anonymous else FORMS)}
    if not data.anonymous:
        found["kendall_w"] = kendall_w(data)
    if meetings is not None:
        found["mean_pairwise_spearman"] = mean_pairwise_spearman_fisher_z(data, meetings=meetings)
        if data.level is not Level.ORDINAL:
            found["mean_pairwise_pearson"] = mean_pairwise_pearson_fisher_z(data, meetings=meetings)
    return found
