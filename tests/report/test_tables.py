from pathlib import Path

from pipeline.history import History, write_results
from pipeline.report.tables import (
    confusion,
    iou_per_class,
    pretraining_losses,
    probe_validation,
    saliency_losses,
)

CLASSES = ["background", "cat", "dog"]


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_losses_carry_the_name_of_their_network(tmp_path: Path) -> None:
    for folder in ("refine_pseudolabels/rbd", "fuse_pseudolabels", "train_basnet"):
        put(tmp_path / folder / "log.csv", "epoch,loss,other\n1,0.5,7\n")
    table = saliency_losses(tmp_path, ["rbd"])
    assert table["network"].tolist() == ["refine rbd", "fuse", "basnet"]
    assert table["loss"].tolist() == [0.5, 0.5, 0.5]


def test_a_network_that_was_not_trained_has_no_losses(tmp_path: Path) -> None:
    put(tmp_path / "fuse_pseudolabels" / "log.csv", "epoch,loss\n1,0.5\n")
    write_results(tmp_path / "train_basnet", {}, History())
    assert saliency_losses(tmp_path, [])["network"].tolist() == ["fuse"]


def test_a_pretraining_of_no_epochs_has_no_losses(tmp_path: Path) -> None:
    put(tmp_path / "trained" / "pretrain" / "log.csv", "epoch,loss\n1,0.5\n")
    write_results(tmp_path / "published" / "pretrain", {}, History())
    table = pretraining_losses(tmp_path / "trained")
    assert table is not None and table["loss"].tolist() == [0.5]
    assert pretraining_losses(tmp_path / "published") is None


def test_iou_is_the_mean_over_seeds_of_maskcontrast_under_protocol_a_at_k_equal_to_classes(tmp_path: Path) -> None:
    rows = "maskcontrast,3,0,a,background,80\nmaskcontrast,3,0,a,cat,10\nmaskcontrast,3,0,a,dog,0\n"
    rows += "maskcontrast,3,1,a,background,90\nmaskcontrast,3,1,a,cat,30\nmaskcontrast,3,1,a,dog,0\n"
    rows += "start,3,0,a,cat,99\nmaskcontrast,9,0,a,cat,99\nmaskcontrast,3,0,b,cat,99\n"
    put(tmp_path / "match_clusters" / "iou_per_class.csv", "name,clusters,seed,protocol,class,iou\n" + rows)
    put(tmp_path / "retrieve" / "iou_per_class.csv", "name,class,iou\nmaskcontrast,cat,50\nstart,cat,1\n")
    linear = "maskcontrast,0,last,cat,60\nmaskcontrast,0,best_on_val,cat,99\nstart,0,last,cat,1\n"
    put(tmp_path / "probe_linear" / "iou_per_class.csv", "init,seed,epoch,class,iou\n" + linear)
    table = iou_per_class(tmp_path)
    assert table is not None
    assert table.to_numpy().tolist() == [
        ["K-means", "background", 85.0],
        ["K-means", "cat", 20.0],
        ["K-means", "dog", 0.0],
        ["retrieval", "cat", 50.0],
        ["linear", "cat", 60.0],
    ]


def test_validation_of_the_probe_is_the_mean_over_seeds_by_network_and_epoch(tmp_path: Path) -> None:
    rows = "maskcontrast,0,5,10\nmaskcontrast,0,10,20\nmaskcontrast,1,5,20\nmaskcontrast,1,10,40\nstart,0,5,1\n"
    put(tmp_path / "probe_linear" / "validation.csv", "init,seed,epoch,miou\n" + rows)
    table = probe_validation(tmp_path)
    assert table is not None
    assert list(table) == ["network", "epoch", "miou"]
    assert table.to_numpy().tolist() == [["maskcontrast", 5, 15.0], ["maskcontrast", 10, 30.0], ["start", 5, 1.0]]


def test_confusion_has_predicted_rows_and_true_columns_in_class_order(tmp_path: Path) -> None:
    assert confusion(tmp_path, CLASSES) is None
    rows = [f"{true},{predicted},{10 * p + t}" for p, predicted in enumerate(CLASSES) for t, true in enumerate(CLASSES)]
    put(tmp_path / "match_clusters" / "confusion.csv", "class,predicted,pixels\n" + "\n".join(rows) + "\n")
    found = confusion(tmp_path, CLASSES)
    assert found is not None
    assert found.tolist() == [[0, 1, 2], [10, 11, 12], [20, 21, 22]]
