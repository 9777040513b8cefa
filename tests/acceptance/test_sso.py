"""Signing in with an OpenID Connect provider in a real browser: there, back, and in, with a strict session cookie."""

from __future__ import annotations

import pytest

from tests.acceptance.browser import chromium
from tests.acceptance.conftest import Installation

pytestmark = pytest.mark.browser


def test_a_person_signs_in_there_and_is_in_here(tmp_path_factory: pytest.TempPathFactory) -> None:
    mock = pytest.importorskip("oidc_provider_mock")
    person = mock.User(sub="d1", claims={"email": "dana@firm.example", "email_verified": True, "name": "Dana"})
    made = Installation(tmp_path_factory.mktemp("sso"))
    made.run("init")
    with mock.run_server_in_thread(require_nonce=True, user_claims=[person]) as server, chromium() as browser:
        issuer = f"http://localhost:{server.server_port}"
        address = made.serve(
            INTRAMUROS_OIDC_ISSUER=issuer, INTRAMUROS_OIDC_CLIENT_SECRET="s", INTRAMUROS_OIDC_NAME="Firm"
        )
        try:
            browser.open(f"{address}/keys")
            browser.one('a[href^="/sign-in/sso"]').click()
            browser.wait(lambda: browser.driver.current_url.startswith(issuer))
            browser.one('button[value="d1"]').click()
            browser.wait(lambda: browser.driver.current_url == f"{address}/keys", browser.driver.current_url)
            assert "Dana" in browser.driver.page_source
        finally:
            made.stop()
