"""Labels that come later, as docs/data.md tells it: what a folder of photographs runs again once some are labelled.

The graph is the real one on the profile `folder`. Packing is real, and so are its bytes; the other stages are stubs.
"""

from pathlib import Path
from typing import NamedTuple

import pytest

from pipeline import profile
from pipeline.images.datasets import LabelSet
from tests.clones import clone, command, repro
from tests.dag_graph import Graph
from tests.dag_laws import LABEL_READERS
from tests.images.trees import save_indices, save_photo
from tests.stub_stages import replace_stages

pytestmark = pytest.mark.slow

SETS = ("proposal", "benchmark", "target")
# One item of every repeated stage; more of them are more of the same.
ONE_EACH = "sweep: {priors: [mc], fractions: [1.0], splits: [0], inits: [maskcontrast]}\n"


class Run(NamedTuple):
    """A finished run on a folder of photographs that nobody has labelled."""

    photos: Path
    folder: Path
    graph: Graph

    def outputs(self) -> dict[str, bytes]:
        """The bytes of every file that the stages made."""
        files = (path for name in ("data", "models", "results") for path in (self.folder / name).rglob("*"))
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in files if path.is_file()}

    def stages(self) -> set[str]:
        """The names of all stages, items with them."""
        return {stage.name for stage in self.graph.stages}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    photos, folder = tmp_path_factory.mktemp("photos"), clone(tmp_path_factory.mktemp("project"))
    for i in range(8):
        save_photo(photos / ("street" if i % 2 else "") / f"{i}.jpg", seed=i)
    command(folder, "python", "-m", "pipeline.profile", "folder", str(photos))
    (folder / "one_each.yaml").write_text(ONE_EACH)
    profile.apply(folder / "one_each.yaml", folder / "params.yaml")
    run = Run(photos, folder, replace_stages(folder, kept={"pack_images"}))
    assert repro(folder) == run.stages()
    return run


def test_labels_run_packing_and_what_reads_them_and_leave_all_else_byte_for_byte(finished: Run) -> None:
    before = finished.outputs()
    (finished.photos / "labels").mkdir()
    (finished.photos / "labels" / "classes.txt").write_text("background\ncat\n")
    save_indices(finished.photos / "labels" / "street" / "1.png", 1)

    assert repro(finished.folder) == {
        stage.name for stage in finished.graph.stages if stage.base in {"pack_images", *LABEL_READERS}
    }
    after = finished.outputs()
    remade = [out for stage in finished.graph.stages if stage.base in LABEL_READERS for out in stage.outs]
    remade += [place for name in SETS for place in (f"data/labels/{name}.h5", f"results/pack_images/{name}")]
    kept = {path for path in before if not path.startswith(tuple(remade))}
    assert {path: after[path] for path in kept} == {path: before[path] for path in kept}
    assert kept > {"models/basnet.pt", "models/maskcontrast.pt", "data/clusters/target.h5", "data/images/target.h5"}
    assert LabelSet(finished.folder / "data" / "labels" / "target.h5").ids == ["street__1"]


def test_a_photograph_that_is_added_runs_packing_and_all_that_follows(finished: Run) -> None:
    save_photo(finished.photos / "new.jpg", seed=9)
    assert repro(finished.folder) == finished.stages() - {"draw_sample", "prepare_weights"}
