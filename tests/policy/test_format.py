"""What is no valid policy is told so in one line that names the place and the remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autonoise.errors import AutonoiseError, PolicyError
from autonoise.files import dump_yaml
from autonoise.policy import Policy, Step, load_policy
from autonoise.policy.format import FORMAT

GOLDEN = Path(__file__).parent.parent / "golden"


def policy_file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "p.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def refusal(path: str) -> str:
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    message = str(caught.value)
    assert message.startswith(path)
    assert "\n" not in message
    assert len(message) < len(path) + (2000 if "known: " in message else 400)
    return message.removeprefix(path)


HEAD = "format: autonoise-policy/1\ndata_type: image\n"
STEPS = HEAD + "steps:\n"
BAD: dict[str, tuple[str, str, str]] = {
    # name: (file, place, rule or remedy)
    "no policy": ("a: 1\n", "first line", "format: autonoise-policy/1"),
    "format as number": ("format: 1\n", "first line", "format: autonoise-policy/1"),
    "newer": (HEAD.replace("/1", "/2"), "autonoise-policy/2", "upgrade autonoise"),
    "much newer": (HEAD.replace("/1", "/999999"), "autonoise-policy/999999", "upgrade autonoise"),
    "older than the first": (HEAD.replace("/1", "/0"), "there is no format", "autonoise-policy/1"),
    "no data type": ("format: autonoise-policy/1\n", "data_type", "correct this field"),
    "unknown data type": (HEAD.replace("image", "video"), "data_type", "'image', 'text', 'tabular'"),
    "unknown field": (HEAD + "stepps: []\n", "stepps", "correct this field"),
    "steps no list": (HEAD + "steps: 3\n", "steps", "list"),
    "step no mapping": (STEPS + "- gaussian_noise\n", "steps[0]", "dictionary"),
    "no technique": (STEPS + "- {std: 0.1}\n", "steps[0].technique", "required"),
    "unknown technique": (STEPS + "- {technique: gausian_noise}\n", "steps[0]", "did you mean gaussian_noise"),
    "technique as number": (STEPS + "- {technique: 3}\n", "steps[0].technique", "string"),
    "technique with a path": (STEPS + "- {technique: os.path}\n", "steps[0]", "unknown technique"),
    "endless technique": (STEPS + "- {technique: " + "x" * 9999 + "}\n", "steps[0].technique", "at most 100"),
    "unknown parameter": (STEPS + "- {technique: mixup, beta: 1}\n", "steps[0]", "no parameter 'beta'; it has: alpha"),
    "out of range": (STEPS + "- {technique: gaussian_noise, std: -1}\n", "steps[0]", "0 <= std <= 10 must hold"),
    "not finite": (STEPS + "- {technique: gaussian_noise, std: .inf}\n", "steps[0]", "0 <= std <= 10 must hold"),
    "not a number": (STEPS + "- {technique: gaussian_noise, std: .nan}\n", "steps[0]", "must hold, but got nan"),
    "huge number": (STEPS + f"- {{technique: gaussian_noise, std: {'9' * 400}}}\n", "steps[0]", "0 <= std <= 10"),
    "wrong type": (STEPS + "- {technique: gaussian_noise, std: wide}\n", "steps[0]", "std must be a number"),
    "list for a number": (STEPS + "- {technique: gaussian_noise, std: [0.1]}\n", "steps[0]", "std must be a number"),
    "yes for a number": (STEPS + "- {technique: gaussian_noise, std: yes}\n", "steps[0]", "std must be a number"),
    "unknown choice": (STEPS + "- {technique: cutout, fill: red}\n", "steps[0]", "fill must be one of mean, grey"),
    "probability": (STEPS + "- {technique: mixup, probability: 1.5}\n", "steps[0].probability", "equal to 1"),
    "probability nan": (STEPS + "- {technique: mixup, probability: .nan}\n", "steps[0].probability", "equal to 1"),
    "probability as text": (STEPS + "- {technique: mixup, probability: '0.5'}\n", "steps[0].probability", "number"),
    "probability as yes": (STEPS + "- {technique: mixup, probability: yes}\n", "steps[0].probability", "number"),
    "schedule shape": (STEPS + "- {technique: mixup, schedule: {shape: ramp}}\n", "schedule.shape", "'ramp_up'"),
    "schedule as text": (STEPS + "- {technique: mixup, schedule: late}\n", "steps[0].schedule", "dictionary"),
    "schedule limits": (STEPS + "- {technique: mixup, schedule: {start: 0.9, end: 0.1}}\n", "steps[0]", "start < end"),
    "schedule levels": (STEPS + "- {technique: mixup, schedule: {levels: 1}}\n", "steps[0]", "2 <= levels"),
    "schedule key": (STEPS + "- {technique: mixup, schedule: {begin: 0}}\n", "steps[0].schedule.begin", "correct"),
    "gate": (STEPS + "- {technique: mixup, gate: {every: 0}}\n", "steps[0].gate.every", "greater than or equal to 1"),
    "gate unit": (STEPS + "- {technique: mixup, gate: {every: 2, unit: day}}\n", "steps[0].gate.unit", "'update'"),
    "newer technique": (STEPS + "- {technique: mixup, version: 9}\n", "steps[0]", "version 9 is newer"),
    "version zero": (STEPS + "- {technique: mixup, version: 0}\n", "steps[0].version", "greater than or equal to 1"),
    "wrong data type": (STEPS + "- {technique: token_masking}\n", "token_masking does not work for image", "text"),
    "twice": (STEPS + "- {technique: mixup}\n- {technique: mixup}\n", "mixup stands twice", "remove one"),
    "too many steps": (STEPS + "- {technique: mixup}\n" * 51, "steps", "at most 50"),
    "too costly": (STEPS + "- {technique: pgd, steps: 30}\n", "31.0 passes", "every 4th update"),
    "robust loss and consistency": (
        STEPS + "- {technique: gce}\n- {technique: two_view_consistency}\n", "gce and two_view", "remove one",
    ),
    "two losses": (STEPS + "- {technique: gce}\n- {technique: mae}\n", "gce and mae contradict", "remove one"),
    "strength": (HEAD + "strength: -1\n", "strength", "greater than or equal to 0"),
    "strength inf": (HEAD + "strength: .inf\n", "strength", "less than or equal to 100"),
    "input no mapping": (HEAD + "input: [28, 28]\n", "input", "dictionary"),
    "input without layout": (HEAD + "input: {classes: 3}\n", "input.layout", "required"),
    "input field": (HEAD + "input: {layout: [3, 8, 8], shape: 3}\n", "input.shape", "correct this field"),
    "layout as text": (HEAD + "input: {layout: '28x28'}\n", "input.layout", "list"),
    "layout of zero": (HEAD + "input: {layout: [0, 8, 8]}\n", "input.layout[0]", "greater than or equal to 1"),
    "layout of 1e12": (HEAD + "input: {layout: [1, 1000000000000]}\n", "input.layout[1]", "less than or equal to"),
    "layout of 1e10": (HEAD + "input: {layout: [100000, 100000]}\n", "input", "larger than 50000000"),
    "statistics": (HEAD + "check: {statistics: [1]}\n", "check.statistics", "dictionary"),
    "check seed": (HEAD + "check: {seed: x}\n", "check.seed", "integer"),
    "std of zero": (HEAD + "input: {layout: [1, 8, 8], std: [0.0]}\n", "input.std[0]", "greater than 0"),
    "scale": (HEAD + "input: {layout: [1, 8, 8], scale: bits}\n", "input.scale", "'byte', 'unit'"),
    "no such column": (HEAD + "input: {layout: [3], numeric: [0, 7]}\n", "input", "column 7 does not exist"),
    "flags in threes": (HEAD + "input: {layout: [3], flags: [[0, 1, 2]]}\n", "input.flags[0]", "at most 2"),
    "keys that are dates": (HEAD + "scores: {2020-01-01: 3}\n", "", "simplify it"),
    "aliases": (HEAD + "name: &a x\nscores: {a: *a}\n", "line 4", "aliases are not allowed"),
    "bomb": (HEAD + "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n", "line 4", "aliases are not allowed"),
    "python object": (HEAD + "scores: !!python/object/apply:os.system [ls]\n", "not a valid policy file", ""),
    "deep": (HEAD + "scores: {a: " + "[" * 3000 + "]" * 3000 + "}\n", "not a valid policy file", ""),
    "key twice": (HEAD + "steps: []\nsteps: []\n", "line 4", "'steps' stands twice"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_files(name: str, tmp_path: Path) -> None:
    text, place, rule = BAD[name]
    message = refusal(policy_file(tmp_path, text))
    assert place in message
    assert rule in message


def test_softening_labels_twice_is_refused() -> None:
    """Two techniques that soften labels; whoever adds a second finds the tag at work."""
    step = Step.of("label_smoothing")
    with pytest.raises(PolicyError, match=r"label_smoothing and label_smoothing contradict .*\(label softening\)"):
        Policy("image", (step, Step.of("label_smoothing", site="elsewhere")))
    with pytest.raises(PolicyError, match="stands twice"):
        Policy("image", (step, step))


def test_huge_and_missing_files(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    assert "check the path" in refusal(str(path))
    path.write_text(HEAD + "name: '" + "x" * 3 * 2**20 + "'")
    assert "larger than" in refusal(str(path))


def saved(tmp_path: Path, suffix: str = "yaml") -> Path:
    path = tmp_path / f"s.{suffix}"
    Policy("image", (Step.of("gaussian_noise", std=0.15), Step.of("mixup")), name="found").save(path)
    return path


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_every_truncation_is_noticed(tmp_path: Path, suffix: str) -> None:
    text = saved(tmp_path, suffix).read_text().rstrip().removesuffix("strength: 1.0")
    for end in range(len(text)):
        refusal(policy_file(tmp_path, text[:end]))


def test_tampering_is_noticed(tmp_path: Path) -> None:
    changes = [("0.15", "0.25"), ("mixup", "cutmix"), ("image", "timeseries"), ("strength: 1.0", "strength: 2.0")]
    for old, new in changes:
        text = saved(tmp_path).read_text()
        assert text.count(old) == 1
        message = refusal(policy_file(tmp_path, text.replace(old, new)))
        assert "check.digest does not match" in message
        assert "remove the digest line" in message
    lines = [line for line in saved(tmp_path).read_text().replace("0.15", "0.25").splitlines() if "digest" not in line]
    edited = load_policy(policy_file(tmp_path, "\n".join(lines).replace("check:", "check: {}")))
    assert edited.steps[0].technique.parameters() == {"std": 0.25}
    # a name is no part of what a policy does
    renamed = saved(tmp_path).read_text().replace("found", "renamed")
    assert load_policy(policy_file(tmp_path, renamed)).name == "renamed"


GOLDEN_TEXT = (GOLDEN / "policy_format1_image.yaml").read_text()


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    st.integers(0, len(GOLDEN_TEXT)), st.integers(0, 12),
    st.sampled_from(["", "{", "]", ": ", "\n- ", "&a ", "*a", "!!set", "null", "-1", "\x00", "'", "1e999", "[[["]),
)  # fmt: skip
def test_damage_is_an_error_of_autonoise_or_harmless(at: int, length: int, patch: str) -> None:
    from autonoise.files import parse_data

    text = GOLDEN_TEXT[:at] + patch + GOLDEN_TEXT[at + length :]
    try:
        Policy.from_dict(parse_data(text, PolicyError, "policy file", "p"), "p")
    except AutonoiseError as e:
        assert "\n" not in str(e)


def test_what_a_file_says_beside_the_policy_is_kept(tmp_path: Path) -> None:
    extra: dict[str, Any] = {"created": "2026-01-01", "hash": "12e4567", "none": None, "list": [1, 2.5, "x"]}
    for suffix in ("yaml", "json"):
        Policy("text", name="1e5", provenance=extra, scores={"clean": 0.5}).save(tmp_path / f"p.{suffix}")
        loaded = load_policy(tmp_path / f"p.{suffix}")
        assert (loaded.name, loaded.provenance, loaded.scores) == ("1e5", extra, {"clean": 0.5})


def test_unquoted_dates_become_text(tmp_path: Path) -> None:
    policy = load_policy(policy_file(tmp_path, HEAD + "provenance: {created: 2026-01-31}\n"))
    assert policy.provenance == {"created": "2026-01-31"}


def test_the_format_stands_in_the_first_line() -> None:
    assert dump_yaml(Policy("image").to_dict()).startswith(f"format: {FORMAT}\n")
