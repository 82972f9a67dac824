"""What a run begins with is read back as it was written."""

from pathlib import Path

from plans import plan_of

from ditpipe.agent.runs.folder import RunRecord, run_record, write_record
from ditpipe.prompts.critique import Critique, RegionScore


def test_a_critique_that_judged_nothing_is_read_back(tmp_path: Path) -> None:
    unjudged = RegionScore(name="thing 0", score=None, seen="", problem="outside what the critic knows")
    judged = Critique(score=None, regions=[unjudged])
    record = RunRecord(brief="a thing", settings={}, plan=plan_of(1), judged=judged)
    write_record(tmp_path, record)
    assert run_record(tmp_path) == record
