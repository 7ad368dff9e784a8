import json
from pathlib import Path

import pytest

from edge_agent.core.typed_toml import SettingsError
from edge_agent.simulated import site

BIN = {
    "gateway": "lindau-1",
    "sensor": "s01",
    "behaviour": "bin",
    "unit_weight_ug": 4_200_000,
    "tare_mg": 350_000,
    "capacity": 2_000,
    "pieces": 1_400,
    "usage_per_minute": 12.5,
    "take_pieces": [1, 20],
    "refill_below": 420,
    "refill_after_s": [60, 180],
    "refill_to": 1_900,
    "silences": [[300, 60]],
}
COUNTING = {
    "gateway": "lindau-1",
    "sensor": "s02",
    "behaviour": "counting",
    "base_mg": 1_000_000,
    "step_mg": 1_000,
}


def load(folder: Path, *scales: dict[str, object]) -> site.SitePlan:
    path = folder / "site.json"
    path.write_text(json.dumps({"seed": 1, "scales": scales}))
    return site.load(path)


def test_a_plan_names_its_scales_by_what_they_do(tmp_path: Path) -> None:
    plan = load(tmp_path, BIN, COUNTING)
    assert [type(scale) for scale in plan.scales] == [site.BinScale, site.CountingScale]
    assert plan.scales[0].silences == ((300.0, 60.0),)


def test_a_plan_may_be_toml(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(
        '[[scales]]\ngateway = "g"\nsensor = "s"\nbehaviour = "counting"\n'
        "base_mg = 1\nstep_mg = 1\n"
    )
    assert site.load(path).scales[0] == site.CountingScale(
        gateway="g", sensor="s", base_mg=1, step_mg=1
    )


@pytest.mark.parametrize(
    "scale",
    [
        BIN | {"behaviour": "flying"},
        BIN | {"pices": 1},
        BIN | {"unit_weight_ug": 0},
        BIN | {"sensor": "../s"},
        {"behaviour": "bin"},
    ],
)
def test_a_plan_with_a_mistake_is_refused(tmp_path: Path, scale: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=r"site\.json"):
        load(tmp_path, scale)


def test_a_scale_is_planned_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="lindau-1/s01 is planned twice"):
        load(tmp_path, BIN, BIN)


def test_a_plan_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.json"):
        site.load(tmp_path / "none.json")


def test_a_plan_may_hold_other_devices_and_a_script(tmp_path: Path) -> None:
    path = tmp_path / "site.json"
    tags = {"gateway": "g", "sensor": "r", "behaviour": "tags", "device": "r200"}
    step = {"at_s": 5, "gateway": "g", "sensor": "r", "do": "come", "code": "E200"}
    path.write_text(json.dumps({"scales": [BIN | {"device": "st_gs"}, tags], "script": [step]}))
    plan = site.load(path)
    assert [scale.device for scale in plan.scales] == ["st_gs", "r200"]
    assert plan.script == (site.Step(at_s=5.0, gateway="g", sensor="r", do="come", code="E200"),)


@pytest.mark.parametrize(
    "changes",
    [
        {"device": "r200"},
        {"device": "unheard_of"},
        {"every_ms": 1},
        {"unit": "stone"},
    ],
)
def test_a_scale_is_no_reader_and_speaks_no_faster_than_it_can(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    with pytest.raises(SettingsError, match=r"site\.json"):
        load(tmp_path, BIN | changes)


def test_a_script_concerns_who_is_there(tmp_path: Path) -> None:
    path = tmp_path / "site.json"
    step = {"at_s": 5, "gateway": "g", "sensor": "nobody", "do": "speak"}
    path.write_text(json.dumps({"scales": [BIN], "script": [step]}))
    with pytest.raises(SettingsError, match="there is no g/nobody"):
        site.load(path)
