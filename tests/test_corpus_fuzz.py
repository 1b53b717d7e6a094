"""The fuzzing of the parsers in its short form."""

import fuzz_corpus


def test_broken_files_never_break_the_parsers(tmp_path):
    taken, rejected, slowest, growth = fuzz_corpus.run(300, seed=7, folder=tmp_path)
    assert taken > 300
    assert rejected > 300
    assert slowest < 10
    assert growth < 100 * 1024
