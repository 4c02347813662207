"""Sign in at a provider of OpenID Connect (code flow with PKCE, state and nonce) as a confidential client.

authlib speaks the protocol and verifies tokens. Here stands what it leaves to its users: that the provider is the one
of the settings, which algorithms may sign, which claim holds the groups, and what to tell people when something is
wrong.
"""

import re
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2
from authlib.integrations.starlette_client import OAuth, OAuthError
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import Response

from rollcall.errors import RollcallError
from rollcall.logs import printable
from rollcall.settings import PageSettings

_SIGNED_BY = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
"""Algorithms with a private key. Not ``none``, nor HMAC, whose key could be a public one."""
_SECONDS = 10.0
_NEXT = "next"
_LONGEST = 128
_LONGEST_NEXT = 1024
"""Of an address to come back to: it goes into a cookie."""
_ERROR_CODE = re.compile(r"[a-z_]{1,40}", re.ASCII)


class SignInFailedError(RollcallError):
    """Somebody could not be signed in at the provider; the text says why and what to do."""


class OpenIdConnect:
    """The provider, as one client of it sees it.

    Args:
        settings: The page's settings; they name an issuer.
    """

    def __init__(self, settings: PageSettings) -> None:
        self._openid = settings.openid
        self.host = urlsplit(self._openid.issuer).netloc
        self._verify = ssl.create_default_context(cafile=self._openid.ca_file) if self._openid.ca_file else True
        self._client = self._fresh()

    def _fresh(self) -> Any:
        """Return a client that knows nothing of the provider yet."""
        return OAuth().register(
            "openid",
            client_id=self._openid.client_id,
            client_secret=self._openid.secret(),
            server_metadata_url=f"{self._openid.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": " ".join(("openid", *self._openid.scopes)),
                "code_challenge_method": "S256",
                "timeout": _SECONDS,
                "verify": self._verify,
            },
        )

    async def leave(self, request: Request, back: str, there: str) -> Response:
        """Send somebody to the provider; what proves later that it was they goes into their session of some minutes.

        Args:
            request: Theirs, with a session of starlette's.
            back: The address that the provider sends them back to, as it is registered there.
            there: The view that they came for.

        Raises:
            SignInFailedError: The provider does not say where to.
        """
        client = await self.discover()
        try:
            answer: Response = await client.authorize_redirect(request, back)
        except Exception as error:
            raise self._failed(error, client) from error
        request.session[_NEXT] = there if len(there) <= _LONGEST_NEXT else "/"
        return answer

    async def arrive(self, request: Request) -> tuple[str, list[str], str]:
        """Take somebody who comes back: who they are as the provider writes it, their groups, the view they came for.

        Raises:
            SignInFailedError: The provider refused, or what it says proves nothing.
        """
        if "error" in request.query_params:
            code = request.query_params["error"]
            told = code if _ERROR_CODE.fullmatch(code) else "an error"
            raise SignInFailedError(f"{self.host} did not sign you in: {told}. Try again, or ask who runs it.")
        client = await self.discover()
        expected = {
            "iss": {"essential": True, "value": self._openid.issuer},
            "aud": {"essential": True, "value": self._openid.client_id},
        }
        try:
            token = await client.authorize_access_token(request, claims_options=expected)
            claims = await self._claims(client, token)
        except SignInFailedError:
            raise
        except Exception as error:
            raise self._failed(error, client) from error
        who = claims.get("preferred_username") or claims.get("email") or claims["sub"] or "nobody named"
        return str(who), self._groups(claims), str(request.session.pop(_NEXT, "/"))

    async def discover(self) -> Any:
        """Learn what the provider can do, unless that is known, and return the client that knows it.

        It is the one to go on with: somebody else's failure may put another in its place meanwhile.

        Raises:
            SignInFailedError: It is another one than the settings name, or lacks something.
        """
        client = self._client
        try:
            known = await client.load_server_metadata()
        except Exception as error:
            raise self._failed(error, client) from error
        lacking = {"authorization_endpoint", "token_endpoint", "jwks_uri"}.difference(known)
        if known.get("issuer") != self._openid.issuer:
            trouble = f"it names itself {printable(str(known.get('issuer'))[:_LONGEST])!r}; set page.openid.issuer so"
        elif lacking:
            trouble = f"it does not tell its {min(lacking)}; look at page.openid.issuer"
        else:
            told = known.get("id_token_signing_alg_values_supported")
            algorithms = [one for one in told if isinstance(one, str)] if isinstance(told, list) else ["RS256"]
            known["id_token_signing_alg_values_supported"] = [one for one in algorithms if one in _SIGNED_BY]
            return client
        self._forget(client)
        raise SignInFailedError(f"{self.host} is not as the settings say: {trouble}.")

    def _forget(self, client: Any) -> None:
        """Ask the provider anew what it can do: its keys or places may have changed."""
        if self._client is client:
            self._client = self._fresh()

    async def _claims(self, client: Any, token: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what the provider says of somebody: in its token, and where that lacks groups, when asked."""
        claims = token.get("userinfo")
        if not claims:
            raise SignInFailedError(f"{self.host} sent no id_token; allow this client the scope `openid` there.")
        # Of an address and its being verified one source has to say both.
        needed = {"email", "email_verified"} if self._openid.groups_claim == "email" else {self._openid.groups_claim}
        if needed <= set(claims) or "userinfo_endpoint" not in client.server_metadata:
            return dict(claims)
        asked = await client.userinfo(token=token)
        if asked.get("sub") != claims["sub"]:
            raise SignInFailedError(f"{self.host} told of somebody else than it signed in; try again.")
        return {**asked, **claims, **{name: asked.get(name) for name in needed}}

    def _groups(self, claims: Mapping[str, Any]) -> list[str]:
        name = self._openid.groups_claim
        told = claims.get(name)
        if name == "email" and claims.get("email_verified") is not True:
            raise SignInFailedError(f"{self.host} has not verified your e-mail address, so it proves nothing.")
        if isinstance(told, str):
            return [told]
        if not isinstance(told, list):
            raise SignInFailedError(
                f"{self.host} told no `{printable(name)}` of you: let it put your groups into that claim, or name "
                "another one as page.openid.groups_claim."
            )
        return [one for one in told if isinstance(one, str)]

    def _failed(self, error: Exception, client: Any) -> SignInFailedError:
        """Return what to tell people of an error; forget what is known of the provider where that may be why."""
        if isinstance(error, OAuthError):
            if error.error == "mismatching_state":
                return SignInFailedError("It was begun elsewhere, too long ago, or before a restart. Sign in again.")
            if error.error == "invalid_grant":
                return SignInFailedError(f"{self.host} takes this sign-in for used or too old. Sign in again.")
            cause = f"it refuses: {error.error}; look at page.openid.client_id and its secret"
        else:
            self._forget(client)
            cause = _cause(error)
        return SignInFailedError(f"Sign-in at {self.host} failed: {printable(cause[:_LONGEST])}.")


def _cause(error: Exception) -> str:
    if isinstance(error, httpx2.HTTPStatusError):
        return f"it answers {error.response.status_code}; look at page.openid.issuer"
    if isinstance(error, httpx2.RequestError):
        return f"it cannot be reached ({str(error) or type(error).__name__})"
    if isinstance(error, JoseError):
        return f"its id_token proves nothing ({error})"
    # A provider may send anything, and authlib takes it for what it should be.
    return f"its answer cannot be read ({type(error).__name__})"
