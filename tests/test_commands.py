import pytest

from pipeline.commands import run_command
from pipeline.errors import InputError


@pytest.mark.parametrize("status", [0, 1])
def test_the_exit_status_is_that_of_the_work(status: int) -> None:
    assert run_command("pipeline.work", None, lambda: status, []) == status


def test_bad_input_is_one_sentence_and_status_1(caplog: pytest.LogCaptureFixture) -> None:
    def refuse() -> int:
        raise InputError("image 7 is empty; remove it")

    assert run_command("pipeline.work", None, refuse, []) == 1
    assert caplog.messages == ["error: image 7 is empty; remove it"]


@pytest.mark.parametrize(("argument", "status", "told"), [("--help", 0, "What it does."), ("all", 2, "all")])
def test_help_is_given_and_arguments_are_refused(
    argument: str, status: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        run_command("pipeline.work", "What it does.", lambda: 0, [argument])
    assert stop.value.code == status
    assert told in "".join(capsys.readouterr())
