"""Fix the network that everything starts from."""

from pathlib import Path

from pipeline import params
from pipeline.networks.backbone import save_backbone
from pipeline.networks.starting_weights import starting_backbone
from pipeline.runtime import log, run_stage


def main(out: Path) -> None:
    """Save the starting backbone, random or pretrained, to OUT."""
    settings = params.load()
    chosen = settings.prepare_weights
    backbone = starting_backbone(chosen.backbone, chosen.weights, chosen.sha256, settings.base.seed)
    save_backbone(out, backbone)
    count = sum(parameter.numel() for parameter in backbone.parameters())
    log.info("%s with %s weights, %d parameters -> %s", chosen.backbone, chosen.weights, count, out)


if __name__ == "__main__":
    run_stage(main)
