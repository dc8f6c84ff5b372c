"""Where an error's doc_url leads."""

from tests.support.api import Api

PAYMENTS = "/api/v1/payments"


async def test_every_error_leads_to_its_row_on_the_page_of_errors(api: Api) -> None:
    wrong = [
        await api.client.get("/nothing"),
        await api.client.put(PAYMENTS, json={}),
        await api.client.post(PAYMENTS, content=b"{"),
        await api.client.post(PAYMENTS, json={}),
        await api.client.get(PAYMENTS, headers={"X-Api-Secret": "wrong"}),
    ]
    async with api.browser() as anybody:
        page = await anybody.get("/docs/errors")

    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    for response in wrong:
        path, _, anchor = response.json()["error"]["doc_url"].partition("#")
        assert path == "/docs/errors"
        assert f'<tr id="{anchor}">' in page.text
