"""The rules of the house that a program can check; and that it checks them.

Each rule is a function from a tree of files to what is wrong in it. The repository must have
nothing wrong; and for each rule a violation is planted in a copy and must be found, because a rule
that finds nothing looks just like a rule that is kept.

The import contracts themselves stand in `pyproject.toml`. Format, lint and types are `make check`.
"""

import ast
import math
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = Path(sys.executable).parent

TOP_LEVEL = {
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "cloud",
    "deploy",
    "edge_agent",
    "firmware_configs",
    "pyproject.toml",
    "tests",
}
TESTS = {
    "README.md",
    "benchmarks",
    "browser",
    "captures",
    "cloud",
    "conftest.py",
    "contract",
    "counting",
    "deploy",
    "edge_agent",
    "faults",
    "firmware_configs",
    "fuzz",
    "power_cuts",
    "simulation",
    "system",
    "test_house.py",
    "year",
}

WITHOUT_TWIN = {
    "cloud/http/parts.py": "a record of what routes may reach; every test of a route goes through",
}
WITHOUT_SOURCE = {
    "tests/cloud/core/policies/test_every_policy.py": "asks each policy for what all promise",
    "tests/cloud/test_isolation.py": "reads the catalogue and every route: it is about no one file",
}

# The glossary's other words, and words that mean nothing, each with what to say. Only those that
# have no honest second meaning in a file's or a class's name.
NOT_CALLED = {
    "alarm": "breach",
    "alert": "notice",
    "common": "say what it holds",
    "data": "say which",
    "handle": "say what it does",
    "handler": "say what it does",
    "helper": "say what it does",
    "helpers": "say what it does",
    "info": "say what it tells",
    "inventory": "stock",
    "manager": "say what it does",
    "measurement": "reading",
    "misc": "say what it holds",
    "notification": "notice",
    "packet": "frame",
    "partner": "supplier",
    "plugin": "driver",
    "process": "say what it does",
    "provider": "channel",
    "slave": "device",
    "telemetry": "reading",
    "util": "say what it does",
    "utils": "say what it does",
    "vendor": "supplier",
}

# Built from pieces, so that this file does not hold what it looks for.
MACHINE_PATHS = [
    re.compile(re.escape("/".join(("", *steps))))
    for steps in (("work", "main"), ("work", "shared"), ("tmp", "spec"), ("opt", "pypi"))
] + [re.compile("/" + r"(?:home|Users)/[a-z]\w+/")]
REGISTRIES = [
    re.compile(r"\b" + re.escape(".".join(parts)))
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
    )
]
# The project speaks of itself: not of how, with what or on which notes it was written.
OTHER_MATTERS = [
    re.compile(r"\b" + first + second + r"\b", re.IGNORECASE)
    for first, second in (
        ("walking", r"[ -]skeleton"),
        ("SPEC", r"\.md"),
        ("house", r"\.md"),
        ("anchors", r"\.md"),
        ("pitfalls", r"\.md"),
        ("threats", r"\.md"),
        ("wire", r"frames?/"),
        ("chat", "gpt"),
        ("clau", "de"),
        ("anthro", "pic"),
        ("language", " model"),
        ("as an ", "AI"),
    )
]
SECRETS = [
    re.compile("BEGIN" + r" (?:[A-Z]+ )*PRIVATE KEY"),
    re.compile("whsec" + r"_[A-Za-z0-9+/]{24,}"),
    re.compile(r"\bAKIA" + r"[0-9A-Z]{16}\b"),
    re.compile(r"\bgh[pousr]" + r"_[A-Za-z0-9]{36}"),
    re.compile(r"\bxox[abprs]" + r"-[A-Za-z0-9-]{10,}"),
    re.compile(r"\bey" + r"J[\w-]{10,}\.ey" + r"J[\w-]{10,}"),
]
SILENCED = re.compile(r"#\s*(noqa|type:\s*ignore|ruff:|mypy:)")
SILENCED_WITH_REASON = re.compile(
    r"# noqa: [A-Z]+[0-9]+(, [A-Z]+[0-9]+)* - \S|# type: ignore\[[a-z, -]+\]( -|  ?#) \S"
)
# What looks drawn by lot: upper and lower case and figures mixed, and hardly one twice.
TOKEN = re.compile(r"[A-Za-z0-9+/_=-]{32,}")
ENTROPY_MIN = 4.3
NO_SECRETS = {
    "A10K3L7B": "the serial number in an example of a device's path",
    "abcdefghijklmnopqrstuvwxyz": "an alphabet",
}
# Third-party browser files are fetched and pinned, never committed.
NOT_OURS = (".min.js", ".min.css", ".woff", ".woff2", ".ttf", ".otf")
TEXT_BYTES_MAX = 1_000_000


@dataclass(frozen=True)
class Tree:
    """A repository, as the files that are in it or would be with the next commit."""

    root: Path
    files: tuple[str, ...]

    def modules(self) -> Iterator[str]:
        """The source, without what only makes a folder a package."""
        for file in self.sources():
            if not file.endswith("/__init__.py"):
                yield file

    def sources(self) -> Iterator[str]:
        for file in self.files:
            if file.startswith(("edge_agent/", "cloud/")) and file.endswith(".py"):
                yield file

    def text(self, file: str) -> str:
        """Empty for what is no text: pictures and recordings are looked at by other means."""
        path = self.root / file
        if path.stat().st_size > TEXT_BYTES_MAX:
            return ""
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            return ""

    def lines(self) -> Iterator[tuple[str, str]]:
        """Every line of every text, each with where it is."""
        for file in self.files:
            for number, line in enumerate(self.text(file).splitlines(), start=1):
                yield f"{file}:{number}", line


def repository() -> Tree:
    listed = subprocess.run(
        # A checkout may belong to somebody else, as it does in some CI containers.
        ("git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    files = sorted({file for file in listed.split("\0") if file and (ROOT / file).is_file()})
    return Tree(ROOT, tuple(files))


def tree_of(root: Path) -> Tree:
    files = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    return Tree(root, tuple(files))


# ------------------------------------------------------------------ the rules


def top_level_is_as_given(tree: Tree) -> list[str]:
    there = {file.split("/")[0] for file in tree.files}
    extra = {
        name
        for name in there - TOP_LEVEL
        if not name.startswith(".") and not re.fullmatch(r"requirements-[a-z]+\.lock", name)
    }
    tests = {file.split("/")[1] for file in tree.files if file.startswith("tests/")}
    return sorted(
        [f"{name} does not belong at the top" for name in extra]
        + [f"{name} is missing at the top" for name in TOP_LEVEL - there]
        + [f"tests/{name} does not belong there" for name in tests - TESTS]
    )


def every_module_has_a_twin(tree: Tree) -> list[str]:
    twins = {file: _twin(file) for file in tree.modules()}
    have = {
        file
        for file in tree.files
        if re.fullmatch(r"tests/(edge_agent|cloud)/.*test_\w+\.py", file)
    }
    missing = [
        f"{file} has no {twin}"
        for file, twin in twins.items()
        if twin not in have and file not in WITHOUT_TWIN
    ]
    left_over = [
        f"{file} tests nothing that is there"
        for file in have - set(twins.values()) - set(WITHOUT_SOURCE)
    ]
    return sorted(missing + left_over)


def _twin(module: str) -> str:
    folder, _, name = module.rpartition("/")
    return f"tests/{folder}/test_{name}"


def inits_are_empty(tree: Tree) -> list[str]:
    return [
        f"{file} is not empty: importing a part must load nothing else"
        for file in tree.sources()
        if file.endswith("/__init__.py") and tree.text(file)
    ]


def modules_open_with_what_they_are_for(tree: Tree) -> list[str]:
    return [
        f"{file} has no docstring"
        for file in tree.modules()
        if not ast.get_docstring(ast.parse(tree.text(file)))
    ]


def what_is_silenced_says_why(tree: Tree) -> list[str]:
    """`# noqa: X1 - because` and `# type: ignore[x]  # because`, in the source."""
    return [
        f"{file}:{number}: {line.strip()}"
        for file in tree.sources()
        for number, line in enumerate(tree.text(file).splitlines(), start=1)
        if SILENCED.search(line) and not SILENCED_WITH_REASON.search(line)
    ]


def words_are_the_glossarys(tree: Tree) -> list[str]:
    return [
        f"{where} is called {word!r}: {NOT_CALLED[word]}"
        for file in tree.sources()
        for where, words in _names(tree, file)
        for word in words
        if word in NOT_CALLED
    ]


def _names(tree: Tree, file: str) -> Iterator[tuple[str, list[str]]]:
    yield file, re.findall(r"[a-z]+", file)
    for node in ast.walk(ast.parse(tree.text(file))):
        if isinstance(node, ast.ClassDef):
            words = re.findall(r"[A-Z][a-z0-9]*", node.name)
            yield f"{file}:{node.lineno} {node.name}", [word.lower() for word in words]


def tables_are_called_by_the_glossary(tree: Tree) -> list[str]:
    return [
        f"{file}: table {table} is called {word!r}: {NOT_CALLED[word]}"
        for file in tree.files
        if file.startswith("cloud/postgres/migrations/")
        for table in re.findall(r"CREATE (?:TABLE|VIEW) (\w+)", tree.text(file))
        for word in table.split("_")
        if word in NOT_CALLED
    ]


def no_path_of_a_machine(tree: Tree) -> list[str]:
    return _found(tree, MACHINE_PATHS)


def no_name_of_a_registry(tree: Tree) -> list[str]:
    return _found(tree, REGISTRIES)


def it_speaks_of_itself_alone(tree: Tree) -> list[str]:
    return _found(tree, OTHER_MATTERS)


def no_secret(tree: Tree) -> list[str]:
    by_shape = _found(tree, SECRETS)
    by_chance = [
        f"{where}: {token[:8]}… looks drawn by lot"
        for where, line in tree.lines()
        if not where.startswith("requirements-")
        for token in TOKEN.findall(line)
        if _looks_drawn(token) and not any(known in token for known in NO_SECRETS)
    ]
    return by_shape + by_chance


def _looks_drawn(token: str) -> bool:
    kinds = (str.isupper, str.islower, str.isdigit)
    if not all(any(map(kind, token)) for kind in kinds):
        return False
    counts = Counter(token).values()
    return -sum(n / len(token) * math.log2(n / len(token)) for n in counts) >= ENTROPY_MIN


def nothing_of_others_is_committed(tree: Tree) -> list[str]:
    return [f"{file} was not written here" for file in tree.files if file.endswith(NOT_OURS)]


def paths_named_in_a_readme_are_there(tree: Tree) -> list[str]:
    """Backquoted and beginning at a folder of the top level: then it is a path, and must lead."""
    known = {*tree.files, *(str(p) for file in tree.files for p in Path(file).parents)}
    return [
        f"{where} names {path}, which is not there"
        for where, line in tree.lines()
        if re.search(r"\.md:\d+$", where) and not where.startswith("CHANGELOG")
        for path in re.findall(
            r"`((?:edge_agent|cloud|firmware_configs|tests|deploy)/[^`\s]*)`", line
        )
        if not set("<>{}*…") & set(path) and path.rstrip("/").split("::")[0] not in known
    ]


def imports_keep_the_contracts(tree: Tree) -> list[str]:
    done = _run(tree.root, "lint-imports", "--no-cache", "--no-logo")
    return [] if done.returncode == 0 else [done.stdout + done.stderr]


def nobody_asks_the_clock_out_of_turn(tree: Tree) -> list[str]:
    done = _run(tree.root, "ruff", "check", "--no-cache", "--select=TID251", "edge_agent", "cloud")
    return [] if done.returncode == 0 else [done.stdout + done.stderr]


def _run(root: Path, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    # PYTHONPATH: an installed project must not be looked at instead of the copy.
    return subprocess.run(
        (str(TOOLS / tool), *arguments),
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _found(tree: Tree, patterns: list[re.Pattern[str]]) -> list[str]:
    return [
        f"{where}: {line.strip()[:100]}"
        for where, line in tree.lines()
        if any(pattern.search(line) for pattern in patterns)
    ]


RULES: list[Callable[[Tree], list[str]]] = [
    top_level_is_as_given,
    every_module_has_a_twin,
    inits_are_empty,
    modules_open_with_what_they_are_for,
    what_is_silenced_says_why,
    words_are_the_glossarys,
    tables_are_called_by_the_glossary,
    no_path_of_a_machine,
    no_name_of_a_registry,
    it_speaks_of_itself_alone,
    no_secret,
    nothing_of_others_is_committed,
    paths_named_in_a_readme_are_there,
    imports_keep_the_contracts,
    nobody_asks_the_clock_out_of_turn,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_the_rule(rule: Callable[[Tree], list[str]]) -> None:
    wrong = rule(repository())
    assert not wrong, "\n".join(wrong)


def test_the_exceptions_are_still_needed() -> None:
    tree = repository()
    for module in WITHOUT_TWIN:
        assert module in tree.files, f"{module} is gone"
        assert _twin(module) not in tree.files, f"{module} has a twin by now"
    for test in WITHOUT_SOURCE:
        assert test in tree.files, f"{test} is gone"


# ------------------------------------------------------------------ and each is noticed


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The two packages as they are, and beside them the least that the other rules look at."""
    only_source = shutil.ignore_patterns("__pycache__", "static", "templates")
    for package in ("edge_agent", "cloud"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=only_source)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for file in ("CHANGELOG.md", "LICENSE", "Makefile", "README.md"):
        add(tmp_path, file, "")
    for folder in ("cloud", "deploy", "edge_agent", "firmware_configs", "tests"):
        (tmp_path / folder / "README.md").unlink(missing_ok=True)  # it names what is not copied
        add(tmp_path, f"{folder}/README.md", "")
    for module in tree_of(tmp_path).modules():
        add(tmp_path, _twin(module), "")
    return tmp_path


def add(root: Path, file: str, text: str) -> None:
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text((path.read_text() if path.exists() else "") + text)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_an_untouched_copy_keeps_the_rule(copy: Path, rule: Callable[[Tree], list[str]]) -> None:
    """Else what follows would prove nothing."""
    assert rule(tree_of(copy)) == []


DOC = '"""Planted."""\n\n'
DRAWN = "q7Rf2" + "ZkX9vTb4LmN8wYc" + "3HsJ6dPg1QaE5uVi"

PLANTED = [
    (top_level_is_as_given, "helpers/x.txt", ""),
    (top_level_is_as_given, "package.json", "{}"),
    (top_level_is_as_given, "tests/scratch/x.txt", ""),
    (every_module_has_a_twin, "cloud/core/planted.py", DOC),
    (every_module_has_a_twin, "tests/cloud/core/test_planted.py", ""),
    (inits_are_empty, "cloud/core/__init__.py", "import json\n"),
    (modules_open_with_what_they_are_for, "edge_agent/core/planted.py", "A = 1\n"),
    (what_is_silenced_says_why, "cloud/core/planted.py", DOC + "import os  # no" + "qa: F401\n"),
    (what_is_silenced_says_why, "cloud/core/planted.py", DOC + "A = 1  # type: " + "ignore\n"),
    (words_are_the_glossarys, "cloud/core/order_utils.py", DOC),
    (words_are_the_glossarys, "cloud/helpers/planted.py", DOC),
    (words_are_the_glossarys, "cloud/core/planted.py", DOC + "class OrderManager:\n    pass\n"),
    (words_are_the_glossarys, "cloud/core/planted.py", DOC + "class VendorRow:\n    pass\n"),
    (
        tables_are_called_by_the_glossary,
        "cloud/postgres/migrations/0999_planted.sql",
        "CREATE TABLE vendor_alerts ();\n",
    ),
    (no_path_of_a_machine, "deploy/README.md", "see " + "/home" + "/ada/binline\n"),
    (no_path_of_a_machine, "cloud/core/planted.py", f'A = "{"/work" + "/main"}/x"\n'),
    (no_name_of_a_registry, "requirements-demo.lock", "--index-url https://pypi" + ".org/simple\n"),
    (no_name_of_a_registry, "deploy/README.md", "FROM docker" + ".io/library/python\n"),
    (it_speaks_of_itself_alone, "README.md", "as SPEC" + ".md asks\n"),
    (it_speaks_of_itself_alone, "cloud/core/planted.py", "# the walking" + " skeleton\n"),
    (no_secret, "deploy/tls.pem", "-----BEGIN" + " EC PRIVATE KEY-----\n"),
    (no_secret, "cloud/core/planted.py", f'SECRET = "whsec{"_" + DRAWN}"\n'),
    (no_secret, "deploy/README.md", f"password: {DRAWN}\n"),
    (nothing_of_others_is_committed, "cloud/http/pages/htmx.min.js", ""),
    (paths_named_in_a_readme_are_there, "README.md", "see `cloud/core/gone.py`\n"),
    (nobody_asks_the_clock_out_of_turn, "cloud/core/planted.py", DOC + "import datetime\n\n"
     "NOW = datetime.datetime.now()\n"),
    (nobody_asks_the_clock_out_of_turn, "edge_agent/core/planted.py", DOC + "import time\n\n"
     "NOW = time.time()\n"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "file", "text"), PLANTED, ids=[f"{rule.__name__}-{file}" for rule, file, _ in PLANTED]
)
def test_a_planted_violation_is_found(
    copy: Path, rule: Callable[[Tree], list[str]], file: str, text: str
) -> None:
    before = rule(tree_of(copy))
    add(copy, file, text)
    found = [wrong for wrong in rule(tree_of(copy)) if wrong not in before]
    assert any(file in wrong or wrong.startswith(Path(file).parts[0]) for wrong in found)


PLANTED_IMPORTS = {
    "a clock in the core": {"edge_agent/core/planted.py": "import time"},
    "a clock hidden in a function": {"cloud/core/planted.py": "def now():\n    import time"},
    "randomness in the core": {"cloud/core/planted.py": "import random"},
    "an event loop in a driver": {"edge_agent/drivers/planted.py": "import asyncio"},
    "a disk in the framing": {"edge_agent/framing/planted.py": "import pathlib"},
    "a logger on the wire": {"edge_agent/wire/planted.py": "import logging"},
    "a database in the core": {"cloud/core/planted.py": "import psycopg"},
    "the cloud on the wire": {"edge_agent/wire/planted.py": "import cloud.core"},
    "the cloud in the agent": {"edge_agent/loops/planted.py": "import cloud.settings"},
    "the agent's core in the cloud": {"cloud/intake/planted.py": "import edge_agent.core.settle"},
    "the wire outside of the intake": {"cloud/http/planted.py": "import edge_agent.wire.codec"},
    "a second file that speaks to pymodbus": {"edge_agent/loops/planted.py": "import pymodbus"},
    "a channel that knows its sibling": {
        "cloud/channels/planted_one.py": "",
        "cloud/channels/planted_two.py": "import cloud.channels.planted_one",
    },
    "a policy that knows its sibling": {
        "cloud/core/policies/planted_one.py": "",
        "cloud/core/policies/planted_two.py": "import cloud.core.policies.planted_one",
    },
    "a new folder in the agent": {"edge_agent/planted/__init__.py": ""},
    "a new folder in the cloud": {"cloud/planted/__init__.py": ""},
    "a new file beside the folders": {"cloud/planted.py": ""},
    "a cycle": {
        "cloud/postgres/planted_one.py": "import cloud.postgres.planted_two",
        "cloud/postgres/planted_two.py": "import cloud.postgres.planted_one",
    },
    "the core asking an action": {"cloud/core/planted.py": "import cloud.actions"},
    "a driver asking a transport": {
        "edge_agent/drivers/planted.py": "import edge_agent.transports.base"
    },
}


@pytest.mark.parametrize("plant", PLANTED_IMPORTS)
def test_an_import_against_the_contracts_is_found(copy: Path, plant: str) -> None:
    for file, text in PLANTED_IMPORTS[plant].items():
        add(copy, file, text + "\n")
    (found,) = imports_keep_the_contracts(tree_of(copy))
    assert "BROKEN" in found or "exhaustive" in found
    assert "planted" in found
