"""Whether a form was sent by a page of ours."""

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from console.page.access.policy import host_of


def same_origin(request: HTTPConnection) -> bool:
    """Return whether a browser says that a page of this host sent the request.

    Browsers send Sec-Fetch-Site, which no script can set, to https and local addresses, and Origin with every POST.
    Without either it is no browser's form, and there is nothing to allow.
    """
    fetch_site = request.headers.get("sec-fetch-site")
    if fetch_site is not None:
        return fetch_site == "same-origin"
    host = host_of(request)
    origin = request.headers.get("origin", "")
    try:
        return bool(host) and urlsplit(origin).netloc.lower() == host
    except ValueError:
        return False
