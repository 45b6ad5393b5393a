"""When providers are asked: first look-ups, pauses, limits, and runs that end in time."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from chalicelib.engine.engine import Engine
from chalicelib.errors import DatabaseUnavailable
from tests.builders import SCHEDULE, Context
from tests.fakes.provider_apis import Refusal

if TYPE_CHECKING:
    from tests.integration.recording.reconcile.world import World

pytestmark = pytest.mark.integration


def test_new_rows_of_a_provider_get_a_deadline_and_others_do_not(world: World) -> None:
    default, own = world.insert("replicate"), world.insert("replicate", "job-2")
    world.admin.execute(
        "UPDATE herald.generations SET deadline_at = 'infinity' WHERE id = %s", (own,)
    )
    batch, without = world.insert("openai", "batch_1/x"), world.insert(None, None)
    world.run()
    world.admin.execute(
        "SELECT id::text, extract(epoch FROM nullif(deadline_at, 'infinity') - created_at)::float"
        " AS seconds, deadline_at = 'infinity' AS endless FROM herald.generations"
    )
    found = {row["id"]: (row["seconds"], row["endless"]) for row in world.admin.fetchall()}
    assert found[default] == (3600, False)
    assert found[own][1] is True
    assert found[batch] == (25 * 3600, False)
    assert found[without] == (None, None)


def test_a_row_that_becomes_part_of_a_batch_later_gets_its_deadline(world: World) -> None:
    generation_id = world.insert("openai", None)
    world.run()
    world.admin.execute(
        "UPDATE herald.generations SET provider_id = 'batch_9/x' WHERE id = %s", (generation_id,)
    )
    world.run()
    world.run()
    world.admin.execute("SELECT deadline_at - created_at AS time FROM herald.generations")
    assert world.admin.fetchone()["time"].total_seconds() == 25 * 3600


def test_without_a_deadline_no_generation_times_out(world: World) -> None:
    generation_id = world.insert("replicate")
    assert world.run(deadline_seconds=0)["adopted"] == 1
    assert world.row(generation_id)["deadline_at"] is None


def test_rows_of_an_earlier_version_are_not_touched(world: World) -> None:
    generation_id = world.insert("replicate")
    world.admin.execute("UPDATE herald.generations SET checks = NULL")  # as after the migration
    world.apis.put("replicate", "job-1", "succeeded")
    assert world.run()["adopted"] == 0
    row = world.row(generation_id)
    assert (row["status"], row["deadline_at"]) == ("PENDING", None)


def test_a_webhook_has_time_to_arrive_before_the_first_look_up(world: World) -> None:
    generation_id = world.insert("replicate")
    world.admin.execute("UPDATE herald.generations SET created_at = now()")
    world.run()
    assert world.apis.asked == []
    wait = world.row(generation_id)["next_check_at"] - world.row(generation_id)["created_at"]
    assert wait.total_seconds() == 120


def test_pauses_grow_and_end_at_the_deadline(world: World) -> None:
    generation_id = world.insert("replicate")
    world.apis.put("replicate", "job-1", "running")
    pauses = []
    for _ in range(6):
        world.run()
        world.admin.execute(
            "SELECT extract(epoch FROM next_check_at - now())::float AS seconds, next_check_at <="
            " deadline_at AS in_time FROM herald.generations"
        )
        row = world.admin.fetchone()
        pauses.append(round(row["seconds"], -1))
        assert row["in_time"]
        world.due()
    assert pauses == [120, 180, 270, 400, 600, 600]
    assert world.row(generation_id)["checks"] == 6


def test_a_provider_is_asked_at_most_as_often_as_its_limit_says(world: World) -> None:
    world.entries["replicate"]["options"] = {"polls_per_minute": 3}
    for number in range(5):
        world.insert("replicate", f"job-{number}")
    assert world.run()["looked_up"] == 3
    world.admin.execute("UPDATE herald.generations SET next_check_at = now() - interval '1 s'")
    assert world.run()["looked_up"] == 0  # within the same minute
    world.due()
    assert world.run()["looked_up"] == 3


@pytest.mark.parametrize(("status", "seconds"), [(429, 300), (503, 300)])
def test_retry_after_is_honoured_for_the_whole_provider(
    world: World, status: int, seconds: int
) -> None:
    ids = [world.insert("replicate", f"job-{number}") for number in range(3)]
    other = world.insert("runway")
    world.apis.put("runway", "job-1", "succeeded")
    world.apis.refusals["replicate"] = Refusal(status, seconds)
    assert world.run()["looked_up"] == 2  # one of replicate, and runway's
    assert world.row(other)["status"] == "COMPLETE"
    world.apis.refusals.clear()
    world.admin.execute("UPDATE herald.generations SET next_check_at = now() - interval '1 s'")
    assert world.run()["looked_up"] == 0
    world.admin.execute(
        "SELECT extract(epoch FROM paused_until - now())::float AS left FROM herald.polling"
        " WHERE provider = 'replicate'"
    )
    assert 290 < world.admin.fetchone()["left"] <= 300
    for number in range(3):
        world.apis.put("replicate", f"job-{number}", "succeeded")
    world.due()
    assert world.run()["recorded"] == 3
    assert {found["subject"] for found in world.events()} == {*ids, other}


def test_a_key_that_is_refused_pauses_its_provider(world: World) -> None:
    world.entries["replicate"]["api_key"] = "another-key"
    world.insert("replicate")
    world.insert("replicate", "job-2")
    assert world.run()["looked_up"] == 1
    assert len(world.apis.asked) == 1


def test_an_unknown_id_does_not_stop_the_others(world: World) -> None:
    lost, found = world.insert("replicate", "nobody"), world.insert("replicate", "job-2")
    world.apis.put("replicate", "job-2", "succeeded")
    assert world.run()["recorded"] == 1
    assert world.row(lost)["status"] == "PENDING"
    assert world.row(found)["status"] == "COMPLETE"


def test_without_a_key_a_row_is_only_watched(world: World) -> None:
    del world.entries["replicate"]
    generation_id = world.insert("replicate")
    assert world.run()["looked_up"] == 0
    world.late(generation_id)
    assert world.run()["timed_out"] == 1


def test_without_a_route_to_a_provider_deadlines_hold_and_the_log_names_nat(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setattr(world.apis, "url", f"http://127.0.0.1:{unused.getsockname()[1]}")
        late, _ = world.insert("replicate"), world.insert("replicate", "job-2")
        world.run()
        world.late(late)
        world.due()
        capsys.readouterr()
        done = world.run()
    assert (done["timed_out"], done["looked_up"], done["recorded"]) == (1, 1, 0)
    assert "in a VPC, look-ups need NAT" in capsys.readouterr().out


@pytest.mark.parametrize("entries", ["not json", '{"replicate": []}', '{"x": {"api_key": "a b"}}'])
def test_deadlines_hold_with_a_malformed_secret(world: World, entries: str) -> None:
    generation_id = world.insert("replicate")
    world.run()
    world.late(generation_id)
    function = world.reconcile()
    function._apis._secret = lambda: entries
    assert function.handle(SCHEDULE, Context(57))["timed_out"] == 1


def test_a_run_waits_only_for_providers_without_webhooks(world: World) -> None:
    world.insert("replicate")
    world.apis.put("replicate", "job-1", "running")
    world.run()
    assert world.slept == []
    world.insert("runway", "job-2")
    world.apis.put("runway", "job-2", "running")
    world.due()
    world.run()
    assert world.slept, "the next look-up of Runway is due in ten seconds"
    assert 9 < world.slept[0] <= 10


def test_a_run_ends_in_time(world: World) -> None:
    for number in range(30):
        world.insert("replicate", f"job-{number}")
    assert world.reconcile().handle(SCHEDULE, Context(14))["looked_up"] == 0


def test_two_runs_at_once_do_no_harm(world: World) -> None:
    for number in range(30):
        world.insert("replicate", f"job-{number}")
        world.apis.put("replicate", f"job-{number}", "succeeded")
    late = [world.insert(None, None) for _ in range(6)]
    for generation_id in late:
        world.late(generation_id)
    engines = [Engine(), Engine()]
    runs = [threading.Thread(target=world.run, kwargs={"engine": engine}) for engine in engines]
    for run in runs:
        run.start()
    for run in runs:
        run.join(60)
    for engine in engines:
        engine.close()
    world.due()
    world.run()  # rows that both had skipped
    found = world.events()
    assert len({each["subject"] for each in found}) == len(found) == 36
    assert sorted(int(each["sequence"]) for each in found) == list(range(1, 37))
    assert len(world.apis.asked) == 30, "each row is looked up once"


def test_a_database_that_fails_stops_the_run(world: World) -> None:
    function = world.reconcile()
    world.dsn = "postgresql://nobody@127.0.0.1:1/none"
    with pytest.raises(DatabaseUnavailable):
        function.handle(SCHEDULE, Context(20))
