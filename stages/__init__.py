"""Has all modules of the project noted as they are before a stage loads any."""

from pipeline import unchanged as unchanged
