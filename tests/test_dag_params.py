import pytest

from tests.dag_graph import Stage
from tests.dag_params import VALUES, values_read

STAGE = Stage("embed", "python -m stages.embed", (), {}, ())


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("load().retrieve.bank", {"retrieve.bank"}),
        ("params.load().pretrain.encoder.output_stride", {"pretrain.encoder.output_stride"}),
        ("section = load().retrieve; print(section.bank, section.query)", {"retrieve.bank", "retrieve.query"}),
        ("section = load().report; draw(section)", {"report.overlays", "report.digits"}),
        ("chosen, seed = load().report, load().base.seed; draw(seed, chosen.digits)", {"base.seed", "report.digits"}),
        ("sections = load(); p = sections.sweep.priors; p.index('mc')", {"sweep.priors"}),
        ("load().report.model_dump()", {"report.overlays", "report.digits"}),
        ("network.load(path).retrieve.bank", set()),
        ("everything = load(); run(everything)", VALUES),
    ],
)
def test_the_parameters_that_a_source_reads(line: str, names: set[str]) -> None:
    assert values_read(STAGE, line) == names
