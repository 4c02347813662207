"""Which of the dear tests a run takes: all of them, or the sixth that ROLLCALL_TEST_DRAW draws.

`.ci/run` has to end well inside half an hour and draws by the commit, so that each of them has its turn within some
commits. `make test` takes all.
"""

import hashlib
import os

DRAW_VARIABLE = "ROLLCALL_TEST_DRAW"

DEAR_FILES = frozenset(
    {
        "backup/test_beside.py",
        "backup/test_restore.py",
        "browser/test_appearance.py",
        "browser/test_hostile.py",
        "browser/test_keyboard.py",
        "browser/test_refresh.py",
        "browser/test_seats.py",
        "clients/test_clients.py",
        "console/test_confinement.py",
        "console/test_forget.py",
        "console/test_maintenance.py",
        "console/test_refusing.py",
        "console/test_report.py",
        "consumers/test_exchanged.py",
        "consumers/test_fault_points.py",
        "consumers/test_log_positions.py",
        "consumers/test_writers.py",
        "contract/test_same_fact.py",
        "deploy/test_grafana.py",
        "deploy/test_nginx.py",
        "deploy/test_prometheus.py",
        "deploy/test_services.py",
        "endtoend/test_backup.py",
        "endtoend/test_crash.py",
        "endtoend/test_demo_stopping.py",
        "endtoend/test_door_under_load.py",
        "endtoend/test_first_start.py",
        "endtoend/test_forget.py",
        "endtoend/test_marker_strings.py",
        "endtoend/test_moved_warehouse.py",
        "endtoend/test_overdue.py",
        "endtoend/test_parts.py",
        "endtoend/test_readers.py",
        "endtoend/test_rotation.py",
        "ingest/test_mutations.py",
        "jira_answers/test_admin_webhooks.py",
        "jira_answers/test_causes.py",
        "jira_answers/test_census.py",
        "jira_answers/test_clocks.py",
        "jira_answers/test_days_go_on.py",
        "jira_answers/test_directory_parts.py",
        "jira_answers/test_endless_lists.py",
        "jira_answers/test_left_out_people.py",
        "jira_answers/test_one_failing_thing.py",
        "jira_answers/test_other_answers.py",
        "kafka/test_batches.py",
        "kafka/test_dashboard.py",
        "kafka/test_dead_letters.py",
        "kafka/test_forget.py",
        "kafka/test_no_leader.py",
        "kafka/test_outage.py",
        "kafka/test_producer.py",
        "kafka/test_rotation.py",
        "reconcile/test_backfill.py",
        "reconcile/test_calm_day.py",
        "reconcile/test_command.py",
        "reconcile/test_directory.py",
        "reconcile/test_ending_early.py",
        "reconcile/test_lookback.py",
        "reconcile/test_mark_kill.py",
        "reconcile/test_memory.py",
        "reconcile/test_misbehaving.py",
        "reconcile/test_moved.py",
        "reconcile/test_progress.py",
        "reconcile/test_project_roles.py",
        "reconcile/test_repair.py",
        "reconcile/test_resume.py",
        "reconcile/test_schedule.py",
        "reconcile/test_shortfalls.py",
        "seats/test_acts_by_project.py",
        "seats/test_company.py",
        "seats/test_reports.py",
        "seats/test_robots.py",
        "seats/test_verdict.py",
        "simulator/test_faults.py",
        "simulator/test_index.py",
        "simulator/test_stream.py",
        "simulator/test_walk.py",
        "sqldoor/test_access.py",
        "sqldoor/test_attacks.py",
        "transfer/test_commands.py",
        "transfer/test_round_trip.py",
        "transfer/test_switch.py",
        "warehouse/test_account_types.py",
        "warehouse/test_erasure.py",
        "warehouse/test_rebuild.py",
        "warehouse/test_rollups.py",
        "web/test_api.py",
        "web/test_people.py",
        "web/test_roles.py",
    }
)
"""Files of tests that took 15 s of the processor or more: together, two thirds of all. The great oracles (kill, stream,
week, demo) are not among them: they run each time."""


def drawn_by() -> str:
    """What draws; empty where all are taken."""
    return os.environ.get(DRAW_VARIABLE, "")


def is_drawn(file: str, test: str, by: str) -> bool:
    """Whether a run takes a test.

    Args:
        file: The file below tests/.
        test: Its node id.
        by: What draws; empty for all.
    """
    return not by or file not in DEAR_FILES or hashlib.sha256(f"{by} {test}".encode()).digest()[0] % 6 == 0
