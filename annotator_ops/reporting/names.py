"""Layer 2. The coefficients' names as the literature writes them, and in a few words what each one is."""

from __future__ import annotations

from collections.abc import Iterable

# Name, and what a reader who meets it for the first time should know.
_COEFFICIENTS = {
    "krippendorff_alpha": ("Krippendorff’s α", "any number of annotators, missing ratings, this level of measurement"),
    "percent_agreement": ("Percent agreement", "not corrected for chance"),
    "gwet_ac1": ("Gwet’s AC1", "stays near the percentage where one category is very frequent"),
    "gwet_ac2": ("Gwet’s AC2", "AC1 with quadratic weights: a near miss counts as partial agreement"),
    "fleiss_kappa": ("Fleiss’ κ", "chance from all annotators’ frequencies together"),
    "conger_kappa": ("Conger’s κ", "Cohen’s κ for more than two annotators"),
    "brennan_prediger": ("Brennan–Prediger", "chance picks each category equally often"),
    "light_kappa": ("Light’s κ", "the mean of Cohen’s κ over pairs of annotators"),
    "cohen_kappa": ("Cohen’s κ", "two annotators, each with frequencies of their own"),
    "scott_pi": ("Scott’s π", "two annotators, frequencies in common"),
    "icc1": ("ICC(1,1)", "one annotator’s rating, each item with annotators of its own"),
    "icc2": ("ICC(2,1)", "one annotator’s rating, absolute agreement, annotators are a sample"),
    "icc3": ("ICC(3,1)", "one annotator’s rating, consistency, these annotators only"),
    "icc1k": ("ICC(1,k)", "the mean of all annotators, each item with annotators of its own"),
    "icc2k": ("ICC(2,k)", "the mean of all annotators, absolute agreement"),
    "icc3k": ("ICC(3,k)", "the mean of all annotators, consistency"),
    "kendall_w": ("Kendall’s W", "concordance of the orders, from 0 to 1"),
    "kendall_tau": ("Kendall’s τ", "mean over pairs of annotators"),
    "mean_pairwise_spearman": ("Mean pairwise Spearman’s ρ", "over pairs of annotators, by Fisher’s z"),
    "mean_pairwise_pearson": ("Mean pairwise Pearson’s r", "over pairs of annotators, by Fisher’s z"),
    "alpha_masi": ("α with MASI distance", "sets that share labels are nearer (Passonneau 2006)"),
    "alpha_jaccard": ("α with Jaccard distance", "by the share of labels in common"),
    "alpha_masi_ancestors": ("α with MASI distance, paths", "each path counts with what it stands under"),
    "alpha_jaccard_ancestors": ("α with Jaccard distance, paths", "each path counts with what it stands under"),
    "mean_jaccard": ("Mean Jaccard similarity", "the share of labels in common, not corrected for chance"),
    "f1_exact": ("F1, exact spans", "same place and same labels, not corrected for chance"),
    "f1_iou_50": ("F1 at IoU .50", "marks with the same labels that overlap by half"),
    "f1_iou_75": ("F1 at IoU .75", "marks with the same labels that overlap by three quarters"),
    "f1_iou_50_95": ("F1, mean over IoU .50 to .95", "in steps of .05"),
    "f1_iou_50_any_label": ("F1 at IoU .50, any label", "where something is, whatever it is called"),
    "f1_within_1_percent": ("F1 within 1 %", "points nearer than 1 % of the diagonal"),
    "f1_within_5_percent": ("F1 within 5 %", "points nearer than 5 % of the diagonal"),
    "f1_within_5_percent_any_label": ("F1 within 5 %, any label", "whatever the points are called"),
    "mean_iou": ("Mean IoU of matched marks", "how well what was matched overlaps"),
    "mean_nearness": ("Mean nearness of matched points", "1 where they coincide"),
    "position_alpha": ("Position-wise α", "every position of the text a unit, by length"),
    "chrf": ("chrF", "similarity of wording, no agreement corrected for chance"),
    "token_f1": ("Token F1", "words in common, no agreement corrected for chance"),
}
# Their own cards show these two already.
_SHOWN = ("krippendorff_alpha", "percent_agreement")


def title(name: str) -> str:
    """A coefficient's name, as it is printed."""
    return _COEFFICIENTS[name][0] if name in _COEFFICIENTS else name.replace("_", " ")


def remark(name: str) -> str:
    """A few words on a coefficient; empty for one that is not known."""
    return _COEFFICIENTS[name][1] if name in _COEFFICIENTS else ""


def others(names: Iterable[str]) -> list[str]:
    """The coefficients beside alpha and percent agreement, in the order given."""
    return [name for name in names if name not in _SHOWN]
