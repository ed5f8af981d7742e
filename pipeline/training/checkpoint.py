"""The state of a training, kept so that after an interruption it goes on as if there had been none."""

import time
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from pipeline.errors import InputError
from pipeline.launch import rank
from pipeline.packed import replacing
from pipeline.runtime import checkpoint_seconds, device
from pipeline.scratch import IN_MEMORY, Scratch
from pipeline.training.distributed import first_decides, gathered


@runtime_checkable
class Stateful(Protocol):
    """What can be kept: networks, optimizers, and anything else with these two methods."""

    def state_dict(self) -> Any:
        """The state, made of tensors, numbers, strings, lists and dicts."""
        ...

    def load_state_dict(self, state: Any, /) -> Any:
        """Take on a state."""
        ...


class Checkpoint:
    """The states of named parts and of PyTorch's random generators, in one file of a scratch area.

    Of several processes, whose parts are alike but whose generators are not, the first writes it. With another number
    of them a training goes on too, if not to the same bytes.
    In memory, without a folder, nothing is kept. Tensors that the area itself keeps under names need not be parts, as
    long as writing the same rows again, from the last save on, leaves the same in them.
    """

    def __init__(self, scratch: Scratch = IN_MEMORY, **parts: Stateful) -> None:
        self.scratch, self.parts = scratch, parts
        self._seconds, self._saved = checkpoint_seconds(), time.monotonic()

    def restore(self) -> bool:
        """Bring all parts to where the last save left them; False when there was none."""
        if self.kept is None:
            return False
        state = torch.load(self.kept, map_location="cpu", weights_only=True)
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])
        if rank() < len(state["random"]):
            # Copies: PyTorch reads from where the memory of a tensor begins, not from where the row does.
            torch.set_rng_state(state["random"][rank()].clone())
            if state["random_cuda"] is not None and torch.cuda.is_available():
                torch.cuda.set_rng_state(state["random_cuda"][rank()].clone(), device())
        return True

    def save(self) -> None:
        """Replace what was saved before; killed meanwhile, or InputError when the disk is full, that stays."""
        if self.scratch.folder is None:
            return
        self.scratch.flush()
        state = {
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
            "random": gathered(torch.get_rng_state()),
            "random_cuda": gathered(torch.cuda.get_rng_state(device())) if torch.cuda.is_initialized() else None,
        }
        self._saved = time.monotonic()
        if rank() > 0:
            return
        path = self.scratch.path("checkpoint.pt")
        try:
            with replacing(path) as temporary, temporary.open("wb") as file:
                torch.save(state, file)
        except (OSError, RuntimeError) as error:  # what a file raises while PyTorch writes it becomes a RuntimeError
            raise InputError(
                f"{path} cannot be written ({error.__context__ or error}); if the disk is full make room, and run the "
                "stage again, it goes on from its last checkpoint"
            ) from error

    @property
    def due(self) -> bool:
        """Whether the last save is longer ago than the environment asks for."""
        return first_decides(self.scratch.folder is not None and time.monotonic() - self._saved >= self._seconds)

    @property
    def kept(self) -> Path | None:
        """The file of the last save, if there was one."""
        path = self.scratch.folder and self.scratch.path("checkpoint.pt")
        return path if path and path.exists() else None
