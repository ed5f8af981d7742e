from pathlib import Path

import h5py
import pytest

from pipeline.cluster_names import matched_names, named, read_table, write_table
from pipeline.errors import InputError


def table(folder: Path, *lines: str) -> Path:
    path = folder / "names.csv"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_what_has_no_name_is_called_by_its_number(tmp_path: Path) -> None:
    naming = read_table(table(tmp_path, "cluster,name", "3,dog", "1, cat "), 5)
    assert naming.names == ["background", "cat", "cluster 2", "dog", "cluster 4"]
    assert naming.classes == ["background", "dog", "cat", "cluster 2", "cluster 4"]
    assert naming.class_of.tolist() == [0, 2, 3, 1, 4]
    assert naming.titles[1:] == ["cluster 1: cat", "cluster 2", "cluster 3: dog", "cluster 4"]


def test_clusters_share_a_name_and_may_be_background(tmp_path: Path) -> None:
    naming = read_table(table(tmp_path, "\ufeffname,cluster,remark", "cat,1,", "cat,2,x", "background,3,"), 4)
    assert naming.classes == ["background", "cat"]
    assert naming.class_of.tolist() == [0, 1, 1, 0]


def test_classes_keep_the_order_of_the_labels() -> None:
    naming = named({1: "dog", 2: "dog"}, 3, ["ground", "cat", "dog"])
    assert naming.names == ["ground", "dog", "dog"]
    assert naming.classes == ["ground", "cat", "dog"]


def test_a_written_table_is_read_again(tmp_path: Path) -> None:
    naming = named({1: "a, or b", 2: "ä"}, 4)
    write_table(tmp_path / "out" / "names.csv", naming)
    assert read_table(tmp_path / "out" / "names.csv", 4).names == naming.names


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["cluster,name", "7,cat"], "line 2: cluster '7' is none of the clusters 1 to 4"),
        (["cluster,name", "0,cat"], "line 2: cluster '0' is none of the clusters 1 to 4"),
        (["cluster,name", "one,cat"], "line 2: cluster 'one' is none of the clusters 1 to 4"),
        (["cluster,name", "1,cat", "1,dog"], "line 3: cluster 1 is there twice"),
        (["cluster,name", "1, "], "line 2: cluster 1 has an empty name"),
        (["cluster,name", "1"], "line 2: cluster 1 has an empty name"),
        (["cluster,name"], "names no cluster"),
        (["1,cat"], "needs the columns cluster and name in its first line and has '1', 'cat'"),
        ([], "needs the columns cluster and name in its first line and has none"),
    ],
)
def test_a_wrong_table_is_refused_in_one_sentence(lines: list[str], reason: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        read_table(table(tmp_path, *lines), 5)
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


def test_a_missing_table_or_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_bytes(b"cluster,name\n1,\xff\n")
    for name in ("names.csv", "nowhere.csv"):
        with pytest.raises(InputError, match=rf"{name} cannot be read"):
            read_table(tmp_path / name, 5)


def test_results_without_labels_give_no_names(tmp_path: Path) -> None:
    assert matched_names(tmp_path, 3, 0, "a").names == ["background", "cluster 1", "cluster 2"]


def test_the_background_keeps_its_name_and_a_match_with_another_class_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = ["maskcontrast,3,0,a,0,cat", "maskcontrast,3,0,a,1,background", "maskcontrast,3,0,a,2,dog"]
    (tmp_path / "mapping.csv").write_text("\n".join(["name,clusters,seed,protocol,cluster,class", *rows]))
    with h5py.File(tmp_path / "confusions.h5", "w") as file:
        file.attrs["classes"] = '["background", "cat", "dog"]'
    assert matched_names(tmp_path, 3, 0, "a").names == ["background", "background", "dog"]
    assert "what is not salient was scored as cat, and is called background in names all the same" in caplog.text
