"""Which of the dear tests a run takes: all of them, or the third that ROLLCALL_TEST_DRAW draws.

`.ci/run` has to end well inside half an hour and draws by the commit, so that each of them has its turn within a few
commits. `make test` takes all.
"""

import hashlib
import os

DRAW_VARIABLE = "ROLLCALL_TEST_DRAW"

DEAR_FILES = frozenset(
    {
        "browser/test_keyboard.py",
        "browser/test_seats.py",
        "clients/test_clients.py",
        "console/test_confinement.py",
        "console/test_report.py",
        "consumers/test_exchanged.py",
        "consumers/test_fault_points.py",
        "consumers/test_log_positions.py",
        "deploy/test_grafana.py",
        "deploy/test_nginx.py",
        "deploy/test_prometheus.py",
        "deploy/test_services.py",
        "endtoend/test_crash.py",
        "endtoend/test_demo_stopping.py",
        "endtoend/test_door_under_load.py",
        "endtoend/test_first_start.py",
        "endtoend/test_moved_warehouse.py",
        "endtoend/test_overdue.py",
        "endtoend/test_parts.py",
        "endtoend/test_readers.py",
        "endtoend/test_rotation.py",
        "jira_answers/test_days_go_on.py",
        "jira_answers/test_directory_parts.py",
        "jira_answers/test_left_out_people.py",
        "jira_answers/test_one_failing_thing.py",
        "jira_answers/test_other_answers.py",
        "kafka/test_dashboard.py",
        "kafka/test_no_leader.py",
        "kafka/test_outage.py",
        "kafka/test_rotation.py",
        "reconcile/test_command.py",
        "reconcile/test_ending_early.py",
        "reconcile/test_lookback.py",
        "reconcile/test_moved.py",
        "reconcile/test_project_roles.py",
        "reconcile/test_resume.py",
        "reconcile/test_schedule.py",
        "seats/test_acts_by_project.py",
        "seats/test_reports.py",
        "seats/test_robots.py",
        "seats/test_verdict.py",
        "sqldoor/test_attacks.py",
        "transfer/test_commands.py",
        "transfer/test_round_trip.py",
        "transfer/test_switch.py",
        "web/test_api.py",
        "web/test_roles.py",
        "warehouse/test_rebuild.py",
        "warehouse/test_rollups.py",
    }
)
"""Files of tests that took 20 s of the processor or more: together, more than half of all."""


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
    return not by or file not in DEAR_FILES or hashlib.sha256(f"{by} {test}".encode()).digest()[0] % 3 == 0
