from pathlib import Path

import pytest

from pipeline import params
from pipeline.errors import InputError

TEXT = (Path(__file__).parents[1] / "params.yaml").read_text()


def load_changed(tmp_path: Path, old: str, new: str) -> params.Params:
    assert old in TEXT
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace(old, new, 1))
    return params.load(path)


def test_a_misspelt_key_is_named_with_its_value_and_the_likely_key(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"pretrain.temprature \(value 0.5\) is not a known key; did you mean temperature"
    ):
        load_changed(tmp_path, "temperature: 0.5", "temprature: 0.5")


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="finetune.iterations is missing"):
        load_changed(tmp_path, "  iterations: 60\n", "")


def test_a_value_out_of_range_is_named_with_its_bound(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="extract_masks.threshold is 1.5; input should be less than or equal to 1"):
        load_changed(tmp_path, "extract_masks:\n  threshold: 0.5", "extract_masks:\n  threshold: 1.5")


def test_a_number_in_quotes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pretrain.queue is '128'; input should be a valid integer"):
        load_changed(tmp_path, "queue: 128", "queue: '128'")


def test_an_unknown_section_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"reports .* did you mean report"):
        load_changed(tmp_path, "report:\n", "reports:\n")


def test_contradicting_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train_basnet .*crop \(640\) is larger than size"):
        load_changed(tmp_path, "crop: 64", "crop: 640")


def test_sections_are_frozen() -> None:
    section = params.load(Path(__file__).parents[1] / "params.yaml").pretrain
    with pytest.raises(ValueError, match="frozen"):
        section.temperature = 0.1  # type: ignore[misc]


def test_scientific_notation_is_a_number(tmp_path: Path) -> None:
    assert load_changed(tmp_path, "temperature: 0.5", "temperature: 5e-1").pretrain.temperature == 0.5


def test_a_missing_file_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run from the root"):
        params.load(tmp_path / "params.yaml")
