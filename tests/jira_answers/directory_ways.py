"""Ways in which Jira, a proxy or a gateway answers badly, by name: each for good unless it says that it passes.

Who the account is, who there is, and what stops a run.
"""

from functools import partial

from .faults import (
    ERROR,
    GROUPS,
    MEMBERS,
    MYSELF,
    NOT_ALLOWED,
    PRODUCTS,
    PROJECTS,
    ROLE,
    ROLES,
    USERS,
    Case,
    at,
    content,
    dropped,
    everywhere,
    first,
    later,
    left_out_and_by_key,
    listed,
    status,
    values,
    without,
    zone,
)

OF_THE_DIRECTORY = [
    # Who the account is.
    *(
        Case(
            f"the account, {name}",
            partial(at, MYSELF, given),
            "who the account is, and so whether Jira gives it everything: GET /myself: ",
        )
        for name, given in {
            "403": status(403),
            "404": status(404),
            "410": status(410),
            "302": status(302, location="https://id.atlassian.com/"),
            "null": content(b"null"),
            "a list": content(b"[]"),
            "a page": content(b"<html>"),
            "nobody": without("accountId"),
            "a number": values(lambda name, one: 5 if name == "accountId" else one),
        }.items()
    ),
    Case(
        "a page before the first answer",
        lambda: first(1, at(MYSELF, content(b"<html>"))),
        code=0,
    ),
    Case(
        "the account is not told at the end",
        lambda: later(1, everywhere(status(500)), MYSELF),
        "GET /myself: Jira answers 500",
        code=1,
    ),
    Case(
        "an unknown time zone",
        lambda: zone("Mars/Base"),
        code=0,
    ),
    Case(
        "a zone that is a path",
        lambda: zone("../../etc/passwd"),
        code=0,
    ),
    Case(
        "no time zone",
        lambda: zone(None),
        code=0,
    ),
    # Who there is.
    Case(
        "no group of administrators",
        lambda: at(GROUPS, listed(lambda _: [])),
        "who administers the site: GET /group/bulk: Jira names",
        endpoint=GROUPS,
    ),
    Case(
        "groups without ids",
        lambda: at(GROUPS, dropped("groupId")),
        "groups, or no ids",
        endpoint=GROUPS,
    ),
    Case(
        "a group of administrators that is lost",
        lambda: at(MEMBERS, status(404)),
        "a group of administrators cannot be found",
        endpoint=MEMBERS,
    ),
    Case(
        "members counted and not named",
        lambda: at(MEMBERS, listed(lambda _: [])),
        r"counts \d+ members and names nobody",
        endpoint=MEMBERS,
    ),
    Case(
        "products without groups",
        lambda: at(PRODUCTS, dropped("groupDetails", "userCount")),
        "does not say which groups give access",
        endpoint=PRODUCTS,
    ),
    Case(
        "no count of users",
        lambda: at(PRODUCTS, dropped("userCount")),
        code=0,
        endpoint=PRODUCTS,
    ),
    Case(
        "seats that are not told",
        lambda: at(PRODUCTS, values(lambda name, one: {"userCount": -1, "numberOfSeats": None}.get(name, one))),
        code=0,
        endpoint=PRODUCTS,
    ),
    Case(
        "unlimited seats",
        lambda: at(PRODUCTS, values(lambda name, one: {"numberOfSeats": -1, "hasUnlimitedSeats": True}.get(name, one))),
        code=0,
        endpoint=PRODUCTS,
    ),
    Case(
        "names of groups that are odd",
        lambda: at(GROUPS, values(lambda name, one: "a/b\u2028\u202e" if name == "name" else one)),
        code=0,
        endpoint=GROUPS,
    ),
    Case(
        "users without ids",
        lambda: at(USERS, listed(lambda found: [{} for _ in found[:2]] + found[2:])),
        "2 users: GET /users/search: they have an unknown form",
        {"users"},
        endpoint=USERS,
    ),
    Case(
        "a product is left out",
        lambda: at(PRODUCTS, listed(lambda found: found[1:])),
        "licenses: GET /applicationrole leaves out jira-software, which Jira knows by its key",
        endpoint=PRODUCTS,
    ),
    *(
        Case(
            f"a product is nowhere, {code}",
            partial(left_out_and_by_key, code),
            words,
            endpoint=PRODUCTS,
        )
        for code, words in {
            404: "the licenses of jira-software: Jira no longer names the product, which counts as given up from 20",
            500: "the licenses of jira-software: GET /applicationrole leaves it out, and GET /applicationrole/",
        }.items()
    ),
    Case(
        "people in no group are left out",
        lambda: at(USERS, listed(lambda found: [one for one in found if one["accountType"] == "atlassian"])),
        r"users: GET /users/search leaves out \d+ accounts that Jira knows by their ids",
        {"users"},
        endpoint=USERS,
    ),
    Case(
        "a list of users that is much too short",
        lambda: at(USERS, listed(lambda found: found[: len(found) // 2])),
        "users: GET /users/search leaves out",
        {"users"},
        endpoint=USERS,
    ),
    Case(
        "no project",
        lambda: at(PROJECTS, listed(lambda _: [])),
        "Jira names 0 projects and counts none",
        endpoint=PROJECTS,
    ),
    Case(
        "a project is left out",
        lambda: at(PROJECTS, listed(lambda found: found[1:])),
        "Jira names 2 projects and counts 3",
        endpoint=PROJECTS,
    ),
    Case(
        "projects 403",
        lambda: at(PROJECTS, status(403)),
        # Their roles are read weekly, their types daily.
        "(project roles|of which type each project is): GET /project/search: Jira answers 403",
        endpoint=PROJECTS,
    ),
    Case(
        "roles of every project 404",
        lambda: at(ROLES, status(404)),
        r"the roles in .*: GET /project/\{projectIdOrKey\}/role: Jira answers 404",
        endpoint=ROLES,
    ),
    Case(
        "a role 404",
        lambda: at(ROLE, status(404)),
        r"the roles in .*: GET /project/\{projectIdOrKey\}/role/\{id\}: Jira answers 404",
        endpoint=ROLE,
    ),
    Case(
        "no roles",
        lambda: at(ROLES, content(b"{}")),
        "names no roles, or no ids of them",
        endpoint=ROLES,
    ),
    Case(
        "links of roles without ids",
        lambda: at(ROLES, values(lambda _, one: one + "?view=all")),
        "names no roles, or no ids of them",
        endpoint=ROLES,
    ),
    Case(
        "roles without names", lambda: at(ROLE, without("name")), "does not name a role, or who holds it", endpoint=ROLE
    ),
    Case(
        "roles of nobody known",
        lambda: at(ROLE, dropped("accountId", "groupId")),
        "does not name a role, or who holds it",
        endpoint=ROLE,
    ),
    # The account is refused, or the site is away, under way.
    Case(
        "a token revoked under way",
        lambda: later(30, everywhere(status(401))),
        "401",
        code=1,
    ),
    Case(
        "an address no longer allowed", lambda: later(30, everywhere(status(403, NOT_ALLOWED))), "IP allowlist", code=1
    ),
    Case(
        "permissions lost under way",
        lambda: later(30, everywhere(status(403, ERROR))),
        "at the end of the run",
        code=1,
        most=500,
    ),
    Case(
        "a site that went away, 404",
        lambda: later(30, everywhere(status(404))),
        "at the end of the run",
        code=1,
        most=500,
    ),
    Case(
        "a site that is not paid for",
        lambda: everywhere(status(402)),
        "GET /myself: Jira answers 402",
        code=1,
    ),
    Case(
        "a suspended site",
        lambda: everywhere(status(503, b"<html>site-unavailable")),
        "it may be suspended",
        code=1,
    ),
    Case(
        "another account at the end",
        lambda: later(1, everywhere(values(lambda name, one: "bob" if name == "accountId" else one)), MYSELF),
        "another account than before",
        code=1,
    ),
]
