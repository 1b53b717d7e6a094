"""Evals: suites of cases, runs that survive a kill, measures with intervals, gates, comparisons.

suites        folders under evals/ and what they say of themselves
cases         one case, its papers and quotations resolved against the corpus
importers     suites made from BEIR folders, PubMedQA, SMART collections and JSON Lines
runner        every case through an injected pipeline, scored and saved as it finishes
scoring       one question's output -> values of the measures that apply
verification  its claims, judged on the text that really stands in the corpus
records       the saved forms
runs          run files and the output cache
summary       a run in numbers
gates         thresholds on the near end of an interval
comparing     two runs, paired
sweeps        matrix runs
model_judge   a language model as a judge
judging       a judge against human labels, beside its baselines
judge_sets    the human-labelled sets that judges are measured on
"""

from askpapers.evals.comparing import Comparison, compare
from askpapers.evals.gates import Gate, check_gate, parse_gate
from askpapers.evals.importers import import_suite
from askpapers.evals.judging import JudgeReport, judge_report
from askpapers.evals.runner import Progress, run_suite
from askpapers.evals.runs import Run, find_runs, load_run
from askpapers.evals.suites import Suite, SuiteSummary, list_suites, load_suite
from askpapers.evals.summary import Summary, summarise
from askpapers.evals.sweeps import parse_sweep

__all__ = [
    "Comparison",
    "Gate",
    "JudgeReport",
    "Progress",
    "Run",
    "Suite",
    "SuiteSummary",
    "Summary",
    "check_gate",
    "compare",
    "find_runs",
    "import_suite",
    "judge_report",
    "list_suites",
    "load_run",
    "load_suite",
    "parse_gate",
    "parse_sweep",
    "run_suite",
    "summarise",
]
