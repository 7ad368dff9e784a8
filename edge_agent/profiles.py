"""Device profiles from files: found by name or path, read, and every mistake told with its line."""

import difflib
import re
import tomllib
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import msgspec

from edge_agent.core import typed_toml
from edge_agent.drivers.compiling import ProfileError, compile_profile
from edge_agent.drivers.declared import Declared
from edge_agent.drivers.profile_format import ProfileFile

LIKE_DEPTH_MAX = 4
FILE_BYTES_MAX = 100_000
NAME_SHOWN_MAX = 100


def shipped() -> dict[str, Traversable]:
    """Every profile that comes with the agent, by name."""
    folder = resources.files("firmware_configs") / "devices"
    return {
        entry.name.removesuffix(".toml"): entry
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".toml")
    }


def read(name_or_path: str) -> ProfileFile:
    """A shipped profile by name, or any file by its path."""
    return _convert(*_raw(name_or_path, 0))


def load(
    name_or_path: str,
    parameters: Mapping[str, str] | None = None,
    *,
    all_needed: bool = True,
) -> Declared:
    """A profile ready to decode. Mistakes come as one `ProfileError` with a line for each."""
    raw, text = _raw(name_or_path, 0)
    profile = _convert(raw, text)
    try:
        return compile_profile(profile, parameters, all_needed=all_needed)
    except ProfileError as error:
        found = [(_placed(place, text), why) for place, why in error.mistakes]
        raise ProfileError(sorted(found, key=_line)) from error


def schema() -> dict[str, Any]:
    """JSON Schema of a profile, so that an editor completes its keys."""
    return msgspec.json.schema(ProfileFile)


def _raw(name_or_path: str, depth: int) -> tuple[dict[str, object], str]:
    text = _text(name_or_path)
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, brackets without end
        raise ProfileError([("file", str(error))]) from error
    like = raw.get("like")
    if not isinstance(like, str) or not like:
        return raw, text
    if depth >= LIKE_DEPTH_MAX:
        raise ProfileError([("like", f"more than {LIKE_DEPTH_MAX} profiles deep")])
    base, _ = _raw(like, depth + 1)
    base.pop("covers", None)
    base.pop("evidence", None)
    base.pop("notes", None)
    return _merged(base, raw), text


def _text(name_or_path: str) -> str:
    known = shipped()
    if name_or_path in known:
        return known[name_or_path].read_text("utf-8")
    path = Path(name_or_path)
    try:
        there = path.is_file()
    except (OSError, ValueError):  # too long for a name, or a NUL in it
        there = False
    if not there:
        close = difflib.get_close_matches(name_or_path, known, n=1)
        meant = f" Did you mean {close[0]}?" if close else ""
        because = (
            f"no file {name_or_path[:NAME_SHOWN_MAX]!r} and no shipped profile of that name.{meant}"
        )
        raise ProfileError([("profile", f"{because} `binline edge profiles` lists them")])
    try:
        size = path.stat().st_size
        if not 0 < size <= FILE_BYTES_MAX:  # 0: empty, or nothing one can read to its end
            why = f"has {size} bytes. Allowed: 1 to {FILE_BYTES_MAX}"
            raise ProfileError([("file", why)])
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ProfileError([("file", f"is not UTF-8: {error.reason}")]) from error
    except OSError as error:
        raise ProfileError([("file", f"cannot be read: {error.strerror}")]) from error


def _merged(base: dict[str, object], own: dict[str, object]) -> dict[str, object]:
    """`own` over `base`: tables are joined key by key, everything else is replaced."""
    joined = dict(base)
    for key, value in own.items():
        below = joined.get(key)
        joined[key] = (
            _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
        )
    return joined


def _convert(raw: dict[str, object], text: str) -> ProfileFile:
    made, mistakes = typed_toml.converted(raw, ProfileFile)
    if made is None:
        found = [(_placed(place, text), why) for place, why in mistakes]
        raise ProfileError(sorted(found, key=_line))
    return made


def _line(mistake: tuple[str, str]) -> int:
    found = re.match(r"line (\d+)", mistake[0])
    return int(found[1]) if found else 0


def _placed(place: str, text: str) -> str:
    """`line 12, outcomes[0].say.weight`: the line on which the place most likely stands."""
    numbers = [int(number) for number in re.findall(r"\[(\d+)\]", place)]
    last = re.split(r"[.\[\]]+", place.rstrip("]."))[-1]
    lines = text.splitlines()
    begin = 0
    if numbers:
        table = f"[[{place.partition('[')[0]}]]"
        heads = [at for at, line in enumerate(lines) if line.strip().startswith(table)]
        begin = heads[numbers[0]] if numbers[0] < len(heads) else 0
    key = re.escape(last)
    for pattern in (rf"\s*(\[+[\w.]*)?{key}\b", rf".*[{{,]\s*{key}\s*="):  # or in an inline table
        for at, line in enumerate(lines[begin:], begin + 1):
            if re.match(pattern, line):
                return f"line {at}, {place}"
    return place
