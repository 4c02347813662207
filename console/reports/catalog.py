"""Every report of ``rollcall report``."""

from console.reports.report import Report

_PEOPLE = "(account_type = 'atlassian' OR {all_accounts:UInt8} = 1)"
_NO_DIRECTORY = "no reconcile run has read the site's licenses yet: `rollcall reconcile` does"
_WINDOW = "site = {site:String} AND {today:Date} - day < {days:UInt32} AND day <= {today:Date}"

DAYS = Report(
    columns=("site", "day", "account_id", "comment", "history", "worklog", "first_at", "last_at"),
    sql=f"""
    SELECT site, day, account_id, comment, history, worklog, first_at, last_at
    FROM user_days
    WHERE {_WINDOW} AND (site, account_id) IN (SELECT site, account_id FROM accounts WHERE {_PEOPLE})
    ORDER BY day, account_id
    """,  # noqa: S608 - constants of this file
)

USERS = Report(
    columns=(
        "site",
        "account_id",
        "name",
        "email",
        "account_type",
        "status",
        "licenses",
        "roles",
        "last_active_at",
        "active_days",
        "comments",
        "changes",
        "worklogs",
    ),
    sql=f"""
    SELECT * FROM user_usage(days = {{days:UInt32}})
    WHERE site = {{site:String}} AND {_PEOPLE}
    ORDER BY last_active_at DESC NULLS LAST, account_id
    """,  # noqa: S608 - constants of this file
)

LICENSES = Report(
    columns=("site", "product", "seats", "assigned", "active", "idle"),
    sql="SELECT * FROM license_usage(days = {days:UInt32}) WHERE site = {site:String} ORDER BY product",
    when_empty=_NO_DIRECTORY,
)

IDLE = Report(
    columns=("site", "product", "account_id", "name", "email", "last_active_at", "days_idle"),
    sql="""
    SELECT * FROM idle_licenses_over(days = {days:UInt32})
    WHERE site = {site:String}
    ORDER BY product, days_idle DESC NULLS FIRST, account_id
    """,
    when_empty=f"either nobody is idle, or {_NO_DIRECTORY}",
)

COVERAGE = Report(
    columns=("site", "day", "known", "by_webhook", "share"),
    sql=f"SELECT * FROM webhook_coverage_daily WHERE {_WINDOW} ORDER BY day",  # noqa: S608 - constants of this file
    when_empty="it compares with Jira's REST API, which `rollcall reconcile` asks",
)
