"""Fetch data sets from their own hosts into data/raw, as `pack_images` reads them.

`python -m pipeline.images.download voc sbd` fetches and unpacks what is not there yet; without a name it lists them.
A broken download goes on where it stopped. An archive that lies in data/raw already is used as it is.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from pipeline.errors import InputError
from pipeline.images.downloads import SETS, Archive
from pipeline.images.fetch import Patience, fetch, record, recorded, wrong_with
from pipeline.images.unpack import DamagedArchive, unpack

log = logging.getLogger("maskcontrast.download")


def bring(name: str, raw: Path, mirrors: Sequence[str], patience: Patience) -> None:
    """Bring a set below `raw`, as far as it is not there; raises InputError for a set that has no address.

    `mirrors` are folders with archives of the same names, tried in order before the set's own host.
    """
    if name not in SETS:
        raise InputError(f"there is no set {name!r}; the sets are {', '.join(SETS)}")
    chosen = SETS[name]
    if not chosen.archives:
        raise InputError(f"{name} cannot be fetched: {chosen.note}")
    if chosen.note:
        log.info("%s: %s", name, chosen.note)
    for archive in chosen.archives:
        bring_archive(archive, raw, mirrors, patience)


def bring_archive(archive: Archive, raw: Path, mirrors: Sequence[str], patience: Patience) -> None:
    """Bring those parts of an archive that are not there; the archive stays.

    Its checksum is the published one, or that of the first time, noted beside it once it was unpacked. An archive that
    differs, or is damaged, is set aside with `.bad` behind its name, with InputError.
    """
    missing = [part for part in archive.parts if not (raw / part.to).exists()]
    if not missing:
        log.info("%s is there already", ", ".join(str(raw / part.to) for part in archive.parts))
        return
    path = raw / archive.file
    checksum = archive.checksum or recorded(path)
    if not path.exists():
        urls = [*(f"{mirror.rstrip('/')}/{archive.file}" for mirror in mirrors), archive.url]
        fetch(urls, path, checksum, patience)
    elif wrong := wrong_with(path, checksum):
        _set_aside(path, f"{path} {wrong}")
    try:
        files = unpack(path, missing, raw)
    except DamagedArchive as error:
        _set_aside(path, str(error))
    if not checksum:
        record(path)
    log.info("unpacked %d files into %s", files, ", ".join(str(raw / part.to) for part in missing))
    log.info("%s is not needed any more; remove it if you like", path)


def _set_aside(path: Path, problem: str) -> NoReturn:
    aside = path.replace(path.with_name(f"{path.name}.bad"))
    raise InputError(f"{problem}; it is {aside} now, so that the next call fetches it anew")


def listing() -> str:
    """The sets and what they are, one a line."""
    return "\n".join(f"{name:10} {each.title}" for name, each in SETS.items())


def main(arguments: list[str]) -> int:
    """Command line: names of sets."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(prog="python -m pipeline.images.download", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="sets; without one they are listed")
    parser.add_argument("--to", type=Path, default=Path("data/raw"), help="data/raw by default")
    parser.add_argument(
        "--mirror", action="append", default=[], metavar="URL", help="a folder to try first; repeatable"
    )
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds without a byte; 60 by default")
    parser.add_argument(
        "--tries", type=int, default=5, help="in a row without progress, for each address; 5 by default"
    )
    options = parser.parse_args(arguments)
    if not options.names:
        log.info("%s", listing())
    try:
        for name in options.names:
            bring(name, options.to, options.mirror, Patience(options.timeout, options.tries, pause=2.0))
    except (InputError, OSError) as error:
        log.error("error: %s", error)
        return 1
    except KeyboardInterrupt:
        log.error("interrupted; the same command goes on from here")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
