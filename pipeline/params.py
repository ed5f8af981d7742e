"""params.yaml as frozen, validated sections, one per stage; nothing else reads the file.

No field has a default: a key that is missing, misspelt or out of range is refused by name, and since every
stage validates the whole file, it is refused by the first stage that runs.
"""

import difflib
from pathlib import Path

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML

from pipeline.errors import InputError
from pipeline.sections.contrast import (
    Embed as Embed,
)
from pipeline.sections.contrast import (
    Encoder as Encoder,
)
from pipeline.sections.contrast import (
    Jitter as Jitter,
)
from pipeline.sections.contrast import (
    Pretrain as Pretrain,
)
from pipeline.sections.contrast import (
    Views as Views,
)
from pipeline.sections.data import (
    Base as Base,
)
from pipeline.sections.data import (
    DrawSample as DrawSample,
)
from pipeline.sections.data import (
    ImageSource as ImageSource,
)
from pipeline.sections.data import (
    PackImages as PackImages,
)
from pipeline.sections.data import (
    PrepareWeights as PrepareWeights,
)
from pipeline.sections.data import (
    Sweep as Sweep,
)
from pipeline.sections.evaluation import (
    Cluster as Cluster,
)
from pipeline.sections.evaluation import (
    Finetune as Finetune,
)
from pipeline.sections.evaluation import (
    FinetuneRates as FinetuneRates,
)
from pipeline.sections.evaluation import (
    MatchClusters as MatchClusters,
)
from pipeline.sections.evaluation import (
    ProbeLinear as ProbeLinear,
)
from pipeline.sections.evaluation import (
    Report as Report,
)
from pipeline.sections.evaluation import (
    Retrieve as Retrieve,
)
from pipeline.sections.saliency import (
    ComputePriors as ComputePriors,
)
from pipeline.sections.saliency import (
    Crf as Crf,
)
from pipeline.sections.saliency import (
    ExtractMasks as ExtractMasks,
)
from pipeline.sections.saliency import (
    FusePseudolabels as FusePseudolabels,
)
from pipeline.sections.saliency import (
    Mc as Mc,
)
from pipeline.sections.saliency import (
    PredictSaliency as PredictSaliency,
)
from pipeline.sections.saliency import (
    Rbd as Rbd,
)
from pipeline.sections.saliency import (
    RefinePseudolabels as RefinePseudolabels,
)
from pipeline.sections.saliency import (
    SaliencyNetwork as SaliencyNetwork,
)
from pipeline.sections.saliency import (
    ScoreSaliency as ScoreSaliency,
)
from pipeline.sections.saliency import (
    TrainBasnet as TrainBasnet,
)
from pipeline.sections.section import Section as Section


class Params(Section):
    """The whole of params.yaml."""

    base: Base
    sweep: Sweep
    draw_sample: DrawSample
    pack_images: PackImages
    prepare_weights: PrepareWeights
    compute_priors: ComputePriors
    refine_pseudolabels: RefinePseudolabels
    fuse_pseudolabels: FusePseudolabels
    train_basnet: TrainBasnet
    predict_saliency: PredictSaliency
    extract_masks: ExtractMasks
    pretrain: Pretrain
    embed: Embed
    cluster: Cluster
    match_clusters: MatchClusters
    retrieve: Retrieve
    probe_linear: ProbeLinear
    finetune: Finetune
    score_saliency: ScoreSaliency
    report: Report


def load(path: Path = Path("params.yaml")) -> Params:
    """Read and check the whole file; InputError names the first wrong key, its value and what was expected."""
    try:
        return Params.model_validate(YAML(typ="safe").load(path))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; run from the root of the repository") from None
    except ValidationError as error:
        raise InputError(f"{path}: {_sentence(error)}") from None


def _sentence(error: ValidationError) -> str:
    # A misspelt key is both "unknown" and "missing"; naming the unknown one helps more.
    first = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        known = _known_keys(first["loc"][:-1])
        close = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known keys are {', '.join(known)}"
        return f"{key} (value {first['input']!r}) is not a known key; {hint}"
    if first["type"] == "missing":
        return f"{key} is missing; add it (no parameter has a default)"
    return f"{key} is {first['input']!r}; {first['msg'][0].lower()}{first['msg'][1:]}"


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    section: type[BaseModel] = Params
    for part in location:
        section = section.model_fields[str(part)].annotation  # type: ignore[assignment]
    return list(section.model_fields)
