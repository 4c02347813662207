"""The REST API v3 of the site, with Jira Cloud's paging, caps, lag and quirks, and a control surface for tests."""
