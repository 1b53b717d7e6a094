import pytest

from askpapers.errors import SettingsError
from askpapers.settings import Settings, describe_settings, load_settings, parse_override


def test_precedence(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert load_settings().retrieval.k == Settings.model_fields["retrieval"].default.k
    (tmp_path / "askpapers.toml").write_text("[retrieval]\nk = 3\n[generation]\nseed = 7\n")
    assert load_settings().retrieval.k == 3
    monkeypatch.setenv("ASKPAPERS_RETRIEVAL__K", "5")
    assert load_settings().retrieval.k == 5
    loaded = load_settings({"retrieval": {"k": 6}})
    assert (loaded.retrieval.k, loaded.generation.seed) == (6, 7)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ASKPAPERS_RETRIEVAL__KK", "5"),
        ("ASKPAPERS_RETREIVAL__K", "5"),
        ("ASKPAPERS_TYPO", "5"),
        ("ASKPAPERS_RETRIEVAL__K", "0"),
        ("ASKPAPERS_RETRIEVAL__K", "many"),
    ],
)
def test_a_wrong_variable_is_an_error(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError):
        load_settings()


def test_a_named_file_must_exist(monkeypatch, tmp_path):
    monkeypatch.setenv("ASKPAPERS_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(SettingsError, match=r"none\.toml"):
        load_settings()


@pytest.mark.parametrize("text", ["k = ", "[retrieval]\nkk = 1", "[nothing]\nk = 1"])
def test_a_wrong_file_is_an_error(monkeypatch, tmp_path, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "askpapers.toml").write_text(text)
    with pytest.raises(SettingsError):
        load_settings()


def test_overrides_are_checked_by_name():
    assert parse_override("retrieval.k=4") == ("retrieval", "k", "4")
    for text in ("retrieval.kk=4", "nope.k=4", "k=4", "retrieval.k"):
        with pytest.raises(SettingsError):
            parse_override(text)


def test_every_setting_is_described():
    rows = describe_settings(load_settings())
    assert len(rows) > 10
    for row in rows:
        assert row["description"], row["name"]
