"""Writes what the results in a folder come to: a study's summary.json, or that of a sweep and of each of its points."""

from attn_jax.lab.loading import StudyResults, SweepResults
from attn_jax.lab.outcome.summary import summarize
from attn_jax.lab.outcome.summary_types import Summary
from attn_jax.lab.outcome.sweep_summary import SweepSummary, summarize_sweep
from attn_jax.lab.record.directory import write_json


def write_summary(results: StudyResults | SweepResults) -> Summary | SweepSummary:
    """Writes summary.json, of a sweep that of every point too; what it holds."""
    if isinstance(results, StudyResults):
        return write_study_summary(results)
    return write_sweep_summary(results)


def write_study_summary(results: StudyResults) -> Summary:
    """Writes a study's summary.json; what it holds."""
    summary = summarize(results)
    write_json(results.directory / "summary.json", summary)
    return summary


def write_sweep_summary(results: SweepResults) -> SweepSummary:
    """Writes summary.json of a sweep and of each of its points; what the sweep's holds."""
    summaries = {point: write_study_summary(study) for point, study in results.points.items()}
    summary = summarize_sweep(results.sweep, results.axes, results.points, summaries)
    write_json(results.directory / "summary.json", summary)
    return summary
