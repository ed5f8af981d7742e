"""What all sections of params.yaml share: frozen, strict, closed; and the bounds of their numbers."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

Count = Annotated[int, Field(ge=1)]
CountOrZero = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
PositiveFraction = Annotated[float, Field(gt=0, le=1)]
Seed = Annotated[int, Field(ge=0)]
Prior = Literal["rbd", "dsr", "mc", "hs"]


class Section(BaseModel):
    """A part of params.yaml: frozen, no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DenseCrf(Section):
    """Rounds of a dense CRF and its two kernels: sigmas in pixels and, of colours, in 0..255."""

    iterations: Count
    smoothness_sigma: Positive
    smoothness_weight: NonNegative
    position_sigma: Positive
    colour_sigma: Positive
    appearance_weight: NonNegative


Checked = TypeVar("Checked", bound=Section)


def no_larger(smaller: str, larger: str) -> Any:
    """A check of a whole section, to be put among its fields: `smaller` may not exceed `larger`."""

    def check(section: Checked) -> Checked:
        found, bound = getattr(section, smaller), getattr(section, larger)
        if found > bound:
            raise ValueError(f"{smaller} ({found}) is larger than {larger} ({bound})")
        return section

    return model_validator(mode="after")(check)
