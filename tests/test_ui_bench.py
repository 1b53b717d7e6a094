"""What the evals tab shows of run files, without a browser."""

from askpapers.ui.bench import Bench

SMOKE = "20261121T113915.407658Z-smoke-4a62cc5a"
LATER = "20261121T123915.407658Z-smoke-519b31b3"
OTHER = "20261121T133915.407658Z-seeds-qa-4a62cc5a"


def made_bench(folder):
    for name in (SMOKE, LATER, OTHER):
        (folder / f"{name}.jsonl").write_text("", "utf-8")
    return Bench(folder)


def test_runs_are_named_as_a_person_reads_them_the_newest_first(tmp_path):
    assert made_bench(tmp_path).list_runs() == [
        ("seeds-qa · 2026-11-21 13:39:15 UTC · 4a62cc5a", OTHER),
        ("smoke · 2026-11-21 12:39:15 UTC · 519b31b3", LATER),
        ("smoke · 2026-11-21 11:39:15 UTC · 4a62cc5a", SMOKE),
    ]


def test_only_runs_of_the_same_suite_are_offered_for_a_comparison(tmp_path):
    bench = made_bench(tmp_path)
    assert [name for _, name in bench.list_others(LATER)] == [SMOKE]
    assert bench.list_others(OTHER) == []
    assert bench.list_others(None) == []


def test_a_damaged_or_missing_run_is_said_and_not_raised(tmp_path):
    bench = made_bench(tmp_path)
    assert "is empty" in bench.render_run(SMOKE)
    assert 'role="alert"' in bench.render_comparison(SMOKE, LATER)
    assert "no run begins" in bench.render_run("<gone>")
    assert "<gone>" not in bench.render_run("<gone>")
    assert "Choose two different runs" in bench.render_comparison(SMOKE, SMOKE)
    assert "askpapers eval run" in bench.render_run(None)
