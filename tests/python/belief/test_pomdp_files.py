"""Readers of .pomdp and .pomdpx: values by hand, published sizes, and files gone bad."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optcore import Status
from optcore.belief.pomdp import SparsePOMDP
from optcore.errors import ModelFileError

TIGER = """# the tiger, in small
discount: 0.95
values: reward
states: left right
actions: listen open-left open-right
observations: growl-left growl-right
start: uniform
T: listen
identity
T: open-left
uniform
T: open-right : *
reset
O: listen
0.85 0.15
0.15 0.85
O: open-left
uniform
O: open-right : * uniform
R: listen : * : * : * -1
R: open-left : left : * : * -100
R: open-left : right : * : * 10
R: open-right : left : * : * 10
R: open-right : right : * : * -100
"""

ROVER = """<?xml version="1.0"?>
<pomdpx version="1.0" id="rover"><Discount>0.9</Discount>
<Variable>
 <StateVar vnamePrev="rover_0" vnameCurr="rover_1" fullyObs="true">
  <NumValues>2</NumValues></StateVar>
 <StateVar vnamePrev="rock_0" vnameCurr="rock_1"><ValueEnum>good bad</ValueEnum></StateVar>
 <ObsVar vname="sensor"><ValueEnum>ogood obad</ValueEnum></ObsVar>
 <ActionVar vname="action"><ValueEnum>look go</ValueEnum></ActionVar>
 <RewardVar vname="reward"/>
</Variable>
<InitialStateBelief>
 <CondProb><Var>rover_0</Var><Parent>null</Parent><Parameter type="TBL">
  <Entry><Instance>-</Instance><ProbTable>1 0</ProbTable></Entry></Parameter></CondProb>
 <CondProb><Var>rock_0</Var><Parent>null</Parent><Parameter type="DD"><DAG>
  <SubDAG type="uniform" var="rock_0"/></DAG></Parameter></CondProb>
</InitialStateBelief>
<StateTransitionFunction>
 <CondProb><Var>rover_1</Var><Parent>action rover_0</Parent><Parameter type="DD"><DAG>
  <Node var="action">
   <Edge val="look"><SubDAG type="persistent" var="rover_1"/></Edge>
   <Edge val="go"><SubDAG type="deterministic" var="rover_1" val="s1"/></Edge>
  </Node></DAG></Parameter></CondProb>
 <CondProb><Var>rock_1</Var><Parent>rock_0</Parent><Parameter type="TBL">
  <Entry><Instance>- -</Instance><ProbTable>identity</ProbTable></Entry></Parameter></CondProb>
</StateTransitionFunction>
<ObsFunction>
 <CondProb><Var>sensor</Var><Parent>action rock_1</Parent><Parameter type="DD"><DAG>
  <Node var="action">
   <Edge val="look"><SubDAG type="template" idref="noisy"/></Edge>
   <Edge val="go"><SubDAG type="uniform" var="sensor"/></Edge>
  </Node></DAG>
  <SubDAGTemplate id="noisy"><Node var="rock_1">
   <Edge val="good"><Node var="sensor"><Edge val="ogood"><Terminal>0.8</Terminal></Edge>
    <Edge val="obad"><Terminal>0.2</Terminal></Edge></Node></Edge>
   <Edge val="bad"><Node var="sensor"><Edge val="ogood"><Terminal>0.2</Terminal></Edge>
    <Edge val="obad"><Terminal>0.8</Terminal></Edge></Node></Edge></Node></SubDAGTemplate>
 </Parameter></CondProb>
</ObsFunction>
<RewardFunction>
 <Func><Var>reward</Var><Parent>action rover_0 rock_0</Parent><Parameter type="TBL">
  <Entry><Instance>go s0 -</Instance><ValueTable>5 -3</ValueTable></Entry></Parameter></Func>
 <Func><Var>reward</Var><Parent>action sensor</Parent><Parameter type="TBL">
  <Entry><Instance>look ogood</Instance><ValueTable>-1</ValueTable></Entry></Parameter></Func>
</RewardFunction>
</pomdpx>
"""


def read(folder: Path, text: str, name: str = "model.pomdp") -> SparsePOMDP:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return SparsePOMDP.from_pomdp(file)


def test_tiger_by_hand(tmp_path: Path) -> None:
    model = read(tmp_path, TIGER)
    assert (model.n_states, model.n_actions, model.n_observations) == (2, 3, 2)
    np.testing.assert_array_equal(model.rewards, [[-1, -100, 10], [-1, 10, -100]])
    np.testing.assert_array_equal(model.tables.transitions[0].toarray(), np.eye(2))
    np.testing.assert_array_equal(model.tables.transitions[2].toarray(), np.full((2, 2), 0.5))
    update = model.update_belief([0.5, 0.5], 0, 0)
    np.testing.assert_allclose(update.belief, [0.85, 0.15])
    assert update.status == Status.ok
    assert update.log_evidence == pytest.approx(np.log(0.5))


def test_every_form_of_a_reward_and_an_override(tmp_path: Path) -> None:
    text = """discount: 0.9 values: cost states: 2 actions: a observations: x y
start: 1
T: * : * : * 0.5
O: * : 0 : x 0.25
O: * : 0 : y 0.75
O: a : 1
0.5 0.5
R: * : * : * : * 7
R: a : 0 : 1 : * 2
R: a : 0 : 1 : y 4   # overrides half of the line above
R: a : 1
1 2
3 4
R: a : 1 : 0
8 8
"""
    model = read(tmp_path, text)
    # state 0: half to 0 at 7, half to 1 at (2 + 4) / 2; state 1: half 8, half (3 + 4) / 2; costs
    np.testing.assert_allclose(model.rewards, [[-(3.5 + 1.5)], [-(4.0 + 1.75)]])
    np.testing.assert_array_equal(model.start, [0, 1])


@pytest.mark.parametrize(
    ("line", "belief"),
    [
        ("start: right", [0, 1]),
        ("start include: left", [1, 0]),
        ("start exclude: left", [0, 1]),
        ("start: 0.25 0.75", [0.25, 0.75]),
        ("", [0.5, 0.5]),
    ],
)
def test_start(tmp_path: Path, line: str, belief: list[float]) -> None:
    text = TIGER.replace("start: uniform", line)
    np.testing.assert_allclose(read(tmp_path, text).start, belief)


def test_without_observations_the_state_is_seen(tmp_path: Path) -> None:
    model = read(tmp_path, "discount: 0.9\nstates: 2\nactions: 1\nT: 0\nuniform\nR: 0 : 0 : 1 4\n")
    np.testing.assert_array_equal(model.tables.observations[0].toarray(), np.eye(2))
    np.testing.assert_allclose(model.rewards, [[2], [0]])


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("0.85 0.15\n0.15", "0.85 0.25\n0.15", 15, "sum to 1.1"),
        ("0.85 0.15\n0.15", "0.85 -0.15\n0.15", 15, "negative"),
        ("0.15 0.85\n", "0.15\n", 17, "number 2 of 2"),
        ("R: listen :", "R: sing :", 20, "unknown name or number 'sing'"),
        ("discount: 0.95", "discount: 1.5", 2, r"\[0, 1\)"),
        ("values: reward", "values: gold", 3, "'reward' or 'cost'"),
        ("states: left right", "states: left left", 4, "named twice"),
        ("T: open-left\nuniform\n", "", 23, "no probabilities are given for state left"),
        ("open-left : right : * : * 10", "open-left : right : * : * ten", 22, "need a reward"),
        ("start: uniform", "start: 0.5 0.1", 7, "sums to 0.6"),
        ("T: listen", "listen", 8, "need a keyword|need ':'|unknown"),
    ],
)
def test_a_bad_file_names_its_line(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    assert old in TIGER
    with pytest.raises(ModelFileError, match=words) as caught:
        read(tmp_path, TIGER.replace(old, new, 1))
    assert caught.value.line == line
    assert str(caught.value).startswith(f"{tmp_path / 'model.pomdp'}, line {line}: ")


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    for name in ("none.pomdp", "none.pomdpx"):
        with pytest.raises(ModelFileError, match="cannot be read"):
            SparsePOMDP.from_pomdp(tmp_path / name)


def test_a_small_file_cannot_ask_for_all_memory(tmp_path: Path) -> None:
    for count in ("3000000", "99999999999999999999"):
        with pytest.raises(ModelFileError, match=r"too large|need a number"):
            read(tmp_path, TIGER.replace("states: left right", f"states: {count}"))


def test_factored_model_by_hand(tmp_path: Path) -> None:
    model = read(tmp_path, ROVER, "rover.pomdpx")
    # rover s0 with either rock; s1 pays for looking, so it is not merged
    assert list(model.tables.states) == ["s0 good", "s0 bad", "s1 good", "s1 bad"]
    np.testing.assert_allclose(model.start, [0.5, 0.5, 0, 0])
    np.testing.assert_allclose(model.rewards, [[-0.8, 5], [-0.2, -3], [-0.8, 0], [-0.2, 0]])
    assert list(model.tables.observation_names) == ["s0 ogood", "s0 obad", "s1 ogood", "s1 obad"]
    np.testing.assert_allclose(model.update_belief(model.start, 0, 0).belief, [0.8, 0.2, 0, 0])
    np.testing.assert_allclose(model.update_belief(model.start, 1, 3).belief, [0, 0, 0.5, 0.5])
    assert model.update_belief(model.start, 1, 0).status == Status.zero_evidence


def test_xml_entities_are_refused(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE pomdpx [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><pomdpx>&b;</pomdpx>'
    with pytest.raises(ModelFileError, match="refused"):
        read(tmp_path, bomb, "bomb.pomdpx")
    outside = '<!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]><pomdpx>&x;</pomdpx>'
    with pytest.raises(ModelFileError, match="refused"):
        read(tmp_path, outside, "outside.pomdpx")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("<ProbTable>1 0</ProbTable>", "<ProbTable>1 1</ProbTable>", "do not sum to 1"),
        ("<ProbTable>1 0</ProbTable>", "<ProbTable>1</ProbTable>", "1 numbers, need 2"),
        ("go s0 -", "go s9 -", "'s9' is no value of rover_0"),
        ('idref="noisy"', 'idref="nosy"', "no SubDAGTemplate 'nosy'"),
        ("<Discount>0.9", "<Discount>nine", "need a number"),
        ("</Variable>", "", "not well-formed"),
        ("<Parent>rock_0</Parent>", "<Parent>rock_9</Parent>", "cannot be a parent"),
    ],
)
def test_a_bad_factored_file(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in ROVER
    with pytest.raises(ModelFileError, match=words) as caught:
        read(tmp_path, ROVER.replace(old, new, 1), "bad.pomdpx")
    assert caught.value.line is not None


def check_distributions(model: SparsePOMDP) -> None:
    for table in (*model.tables.transitions, *model.tables.observations):
        np.testing.assert_allclose(np.asarray(table.sum(axis=1)).ravel(), 1.0, atol=1e-9)
    assert model.start.sum() == pytest.approx(1.0)
    assert np.isfinite(model.rewards).all()


PIECES = st.sampled_from(
    ["*", ":", "#", "\n", "T:", "O:", "R:", "start:", "uniform", "identity", "reset", "0.5", "-1",
     "1e999", "nan", "99999", "left", "<", ">", '"', "&", "\x00", "é", "include"]
)  # fmt: skip


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), kind=st.sampled_from(["pomdp", "pomdpx"]))
def test_a_mutilated_file_is_a_model_or_a_clear_error(
    tmp_path: Path, data: st.DataObject, kind: str
) -> None:
    text = TIGER if kind == "pomdp" else ROVER
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        end = data.draw(st.one_of(st.just(len(text)), st.integers(at, min(len(text), at + 12))))
        text = text[:at] + data.draw(st.one_of(st.just(""), PIECES)) + text[end:]
    try:
        model = read(tmp_path, text, f"mutilated.{kind}")
    except ModelFileError as error:
        clear = str(tmp_path) in str(error)
    else:
        clear = True
        check_distributions(model)
    assert clear


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("tiger.95.POMDP", (2, 3, 2)),
        ("shuttle.95.POMDP", (8, 3, 5)),
        ("cheese.95.POMDP", (11, 4, 7)),
        ("4x3.95.POMDP", (11, 4, 6)),
        ("Hallway.pomdp", (60, 5, 21)),
        ("TagAvoid.pomdp", (870, 5, 30)),
        ("RockSample_7_8.pomdpx", (12_545, 13, 99)),
    ],
)
def test_published_models(data_dir: Path, name: str, sizes: tuple[int, int, int]) -> None:
    model = SparsePOMDP.from_pomdp(data_dir / "intent" / "pomdp" / name)
    assert (model.n_states, model.n_actions, model.n_observations) == sizes
    belief, rng = model.start, np.random.default_rng(0)
    for _ in range(30):  # a walk keeps the belief a distribution
        action = int(rng.integers(model.n_actions))
        chances = (belief @ model.tables.transitions[action]) @ model.tables.observations[action]
        update = model.update_belief(belief, action, int(rng.choice(len(chances), p=chances)))
        assert update.status == Status.ok
        belief = update.belief
        assert belief.sum() == pytest.approx(1.0)
        assert (belief >= 0).all()


def small_model() -> SparsePOMDP:
    return SparsePOMDP.from_csr(
        [[[0.9, 0.1], [0.2, 0.8]]], [[[0.85, 0.15], [0.15, 0.85]]], [[-1], [-1]], discount=0.95
    )


def test_copies_and_pickles_update_as_the_model() -> None:
    model = small_model()
    expected = model.update_belief([0.5, 0.5], 0, 1)
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(
            copied.update_belief([0.5, 0.5], 0, 1).belief, expected.belief
        )


def test_matrices_with_unsorted_or_repeated_columns_are_put_in_order() -> None:
    sparse = pytest.importorskip("scipy.sparse", reason="scipy is a dependency")
    data = np.array([0.1, 0.9, 0.3, 0.2, 0.5])
    given = sparse.csr_array((data, np.array([1, 0, 1, 0, 1]), np.array([0, 2, 5])), shape=(2, 2))
    before = data.copy()
    seen = sparse.csr_array(np.eye(2))
    model = SparsePOMDP.from_csr([given], [seen], [[0], [0]], discount=0.9)
    update = model.update_belief([0.0, 1.0], 0, 1)
    assert update.log_evidence == pytest.approx(np.log(0.8))
    assert np.array_equal(data, before)


def test_a_belief_that_is_not_finite_is_named_so() -> None:
    assert small_model().update_belief([np.nan, 1.0], 0, 1).status == Status.not_finite


def test_without_room_for_dense_tables_it_answers_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = small_model().update_belief([0.3, 0.7], 0, 1)
    monkeypatch.setattr("optcore.belief.pomdp.model._NATIVE_LIMIT", 0)
    model = small_model()
    got = model.update_belief([0.3, 0.7], 0, 1)
    np.testing.assert_allclose(got.belief, expected.belief, rtol=1e-14)
    assert got.log_evidence == pytest.approx(expected.log_evidence)
    assert model._native is None
    certain = SparsePOMDP.from_csr([np.eye(2)], [np.eye(2)], [[0], [0]], discount=0.9)
    assert certain.update_belief([1.0, 0.0], 0, 1).status == Status.zero_evidence
