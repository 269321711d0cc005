"""Where a page may listen."""

from pathlib import Path

import pytest

import ddnn
from ddnn.errors import ConfigError
from ddnn.live.page.options import page_options


def token_file(folder: Path, text: str = "0123456789abcdef0123", mode: int = 0o600) -> Path:
    path = folder / "token"
    path.write_text(text + "\n")
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("localhost:0", "localhost", 0),
        ("[::1]:80", "::1", 80),
        ("127.9.9.9:1", "127.9.9.9", 1),
    ],
)
def test_on_loopback_an_address_is_enough(address, host, port):
    options = page_options(address)
    assert (options.host, options.port, options.scheme) == (host, port, "http")


@pytest.mark.parametrize(
    "address", ["8080", "127.0.0.1", ":8080", "127.0.0.1:99999", "http://a:1", "a b:1", "a/b:1"]
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ConfigError, match="want HOST:PORT"):
        page_options(address)


@pytest.mark.parametrize("address", ["192.0.2.7:8080", "cameras.example:443", "[2001:db8::1]:80"])
def test_a_page_that_others_reach_wants_token_and_tls(address, tmp_path, tls):
    cert, key = tls
    token = token_file(tmp_path)
    for lacking in ({}, {"token_file": token}, {"cert": cert, "key": key}):
        with pytest.raises(ConfigError, match="want --page-token, --page-cert and --page-key"):
            page_options(address, **lacking)
    options = page_options(address, token_file=token, cert=cert, key=key)
    assert options.scheme == "https"
    assert options.token not in repr(options)


def test_a_host_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="the address or name that browsers use"):
        page_options("0.0.0.0:8080")


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("short", 0o600, "got 5 letters, want 16"),
        ("0123456789abcdef0123", 0o644, "others can read it"),
        ("ä" * 20, 0o600, "want one line of ASCII"),
    ],
)
def test_a_token_that_is_no_secret_is_refused(tmp_path, text, mode, said):
    with pytest.raises(ConfigError, match=said):
        page_options("127.0.0.1:1", token_file=token_file(tmp_path, text, mode))


def test_tls_files_are_tried_before_anything_starts(tmp_path, tls):
    cert, key = tls
    with pytest.raises(ConfigError, match="want both or none"):
        page_options("127.0.0.1:1", cert=cert)
    with pytest.raises(ConfigError, match="no such file"):
        page_options("127.0.0.1:1", cert=tmp_path / "none", key=key)
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("nothing")
    with pytest.raises(ConfigError, match="want a certificate and its key"):
        page_options("127.0.0.1:1", cert=wrong, key=key)


def test_only_its_own_names_are_the_pages_host():
    options = page_options("127.0.0.1:8080")
    assert options.hosts(8080) == {"127.0.0.1:8080", "localhost:8080", "[::1]:8080"}
    assert "localhost" in page_options("127.0.0.1:80").hosts(80)
    assert "127.0.0.2:8080" in page_options("127.0.0.2:8080").hosts(8080)


def test_options_made_in_python_are_checked_too():
    assert ddnn.PageOptions(host="127.0.0.1", port=8080).show_views is False
    with pytest.raises(ConfigError, match="other machines reach it"):
        ddnn.PageOptions(host="10.0.0.1", port=8080)
