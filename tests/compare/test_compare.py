"""The command on two commits of a run, their page seen in a browser."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from pipeline.compare.__main__ import main
from pipeline.compare.snapshot import take
from pipeline.errors import InputError
from tests.browser import WIDTHS, broken_images, browser, opened, overflow
from tests.clones import ROOT
from tests.compare.runs import recorded

pytestmark = pytest.mark.slow


@pytest.fixture
def here(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(runs)
    return runs


@pytest.fixture(scope="module")
def page(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the two runs, and Markdown beside it."""
    folder = tmp_path_factory.mktemp("compared")
    files = ["--html", str(folder / "page.html"), "--markdown", str(folder / "compared.md")]
    command = [sys.executable, "-m", "pipeline.compare", "cold", "warm", *files]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=runs, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    (folder / "printed.md").write_text(done.stdout)
    return folder / "page.html"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as opened_browser:
        yield opened_browser


def test_parameters_scores_classes_and_stages_are_told(page: Path) -> None:
    text = page.with_name("printed.md").read_text()
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert ["pretrain.temperature", "0.2", "0.5"] in lines
    score = recorded()["kmeans"]["maskcontrast"]["k6"]["a"]
    old, new, std = f"{score['miou_mean']:g}", f"{score['miou_mean'] + 3:g}", f"{score['miou_std']:.2g}"
    assert ["kmeans.maskcontrast.k6.a.miou", f"{old} ± {std}", f"{new} ± {std}", "+3", "yes"] in lines
    first = next(line for line in lines if line[0] == "K-means")
    assert (first[1], first[3]) == ("background", "50.25")
    assert ["pretrain", "", "pretrain.temperature", "", "models/maskcontrast.pt"] in lines
    assert ["report", "", "", "models/maskcontrast.pt", "plots, metrics/summary.json"] in lines
    assert "2 of 2 stages differ" in text
    assert "retrieve.maskcontrast" not in text, "what is the same is left out"


def test_markdown_for_a_pull_request_says_the_same(page: Path) -> None:
    printed, written = page.with_name("printed.md").read_text(), page.with_name("compared.md").read_text()
    assert written.splitlines()[:3] == printed.splitlines()[:3] == ["## cold → warm", "", "- cold: Run <cold> & record"]
    assert {line for line in printed.splitlines() if line.startswith("| ")} == {
        line for line in written.splitlines() if line.startswith("| ")
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_the_page_is_whole_in_a_browser(page: Path, chromium: Browser, width: int, scheme: str) -> None:
    seen = opened(chromium, page, width, scheme)
    assert broken_images(seen) == []
    assert seen.locator("img").count() == 8
    assert overflow(seen) <= 0
    paper, ink = seen.evaluate("(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))")
    brightness = [sum(map(int, colour[4:-1].split(","))) / 765 for colour in (paper, ink)]
    assert abs(brightness[0] - brightness[1]) > 0.7
    assert (brightness[0] > 0.5) == (scheme == "light")
    sides = [seen.locator(f"figure.{side}").first.bounding_box() for side in ("before", "after")]
    assert sides[0] and sides[1]
    assert (sides[0]["y"] == sides[1]["y"]) == (width == WIDTHS["desk"])
    seen.close()


def test_the_page_needs_no_network_and_escapes_what_it_shows(page: Path, chromium: Browser) -> None:
    seen = chromium.new_page()
    asked: list[str] = []
    seen.on("request", lambda request: asked.append(request.url))
    seen.goto(page.as_uri())
    assert [url[:40] for url in asked if not url.startswith(("file:", "data:"))] == []
    assert seen.locator("dd").all_inner_texts() == ["Run <cold> & record", "Run <warm> & record"]
    assert "<script" not in page.read_text()
    seen.close()


def test_keys_alone_show_one_side_and_scroll_tables(page: Path, chromium: Browser) -> None:
    seen = opened(chromium, page, WIDTHS["phone"])
    before, after = seen.locator("figure.before").first, seen.locator("figure.after").first
    seen.keyboard.press("Tab")
    assert seen.evaluate("document.activeElement.getAttribute('aria-label')") == "Parameters"
    for _ in range(20):
        if seen.evaluate("document.activeElement.id") == "both":
            break
        seen.keyboard.press("Tab")
    assert before.is_visible() and after.is_visible()
    seen.keyboard.press("ArrowRight")
    assert before.is_visible() and not after.is_visible()
    seen.keyboard.press("ArrowRight")
    assert after.is_visible() and not before.is_visible()
    seen.close()


def test_an_edit_that_was_not_run_is_told(here: Path) -> None:
    params, code = here / "params.yaml", here / "report.py"
    assert take("workspace").stale == take("warm").stale == []
    originals = params.read_text(), code.read_text()
    try:
        params.write_text(originals[0].replace("0.5", "0.7"))
        assert take("workspace").stale == ["pretrain"]
        params.write_text(originals[0])
        code.write_text(originals[1] + "# edited\n")
        assert take("workspace").stale == ["report"]
    finally:
        params.write_text(originals[0])
        code.write_text(originals[1])


def test_without_names_the_workspace_is_compared_with_the_last_commit(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("## HEAD → workspace")
    assert printed.count("No differences.") == 5


def test_an_experiment_is_known_by_its_name(here: Path) -> None:
    warm = subprocess.run(["git", "rev-parse", "warm"], capture_output=True, text=True).stdout.strip()
    subprocess.run(["git", "update-ref", f"refs/exps/{warm[:2]}/{warm[2:]}/hot", warm], check=True)
    assert take("hot").params == take(warm).params
    assert take(warm).name == warm[:7]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nowhere"], "error: 'nowhere' is no commit, branch, tag or experiment here"),
        (["cold", ""], "error: '' is no commit"),
        (["warm^{tree}"], "error: 'warm^{tree}' is no commit"),
        (["cold~1"], "error: cold~1 holds no metrics; run `dvc repro` there and commit metrics/summary.json"),
        (["cold", "warm", "--html", "params.yaml/page.html"], "error: params.yaml/page.html cannot be written"),
    ],
)
def test_bad_input_ends_in_one_sentence(
    here: Path, caplog: pytest.LogCaptureFixture, arguments: list[str], problem: str
) -> None:
    assert main(arguments) == 1
    assert [record.getMessage()[: len(problem)] for record in caplog.records if record.levelname == "ERROR"] == [
        problem
    ]
    assert not list(here.glob("**/*.tmp"))


def test_a_folder_without_dvc_is_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="is no repository of DVC; run from the root"):
        take("workspace")


def test_metrics_that_are_no_json_are_named(here: Path) -> None:
    path = here / "metrics" / "summary.json"
    original = path.read_text()
    try:
        path.write_text("<<<<<<< ours")
        with pytest.raises(InputError, match=r"metrics/summary\.json of workspace is unreadable"):
            take("workspace")
    finally:
        path.write_text(original)
