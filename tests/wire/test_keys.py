"""Key folders: made once, private, and every damage named without showing a key."""

import json
import stat
from pathlib import Path

import pytest

from ddnn.errors import ConfigError
from ddnn.wire.keys import KeyPair, read_keys, write_keys
from ddnn.wire.zeromq import check_pair, make_key_pair

NAMES = ("cam0", "cloud", "collector")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_keys(tmp_path / "keys", NAMES, make_key_pair)
    return tmp_path / "keys"


def change(path: Path, **entries: str | None) -> None:
    content = json.loads(path.read_text()) | entries
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))


def test_what_is_written_is_read(folder):
    rings = {name: read_keys(folder, name, NAMES) for name in NAMES}
    for name, ring in rings.items():
        check_pair(name, ring.own)
        assert ring.public == {other: rings[other].own.public for other in NAMES}
    assert len({ring.own.secret for ring in rings.values()}) == len(NAMES)


def test_secrets_are_for_their_owner_alone(folder):
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {modes[f"{name}.key"] for name in NAMES} == {0o600}
    assert read_keys(folder, "cam0", NAMES).own.secret not in (folder / "public.json").read_text()


def test_a_host_needs_only_its_own_nodes_keys(folder):
    for name in ("cloud", "collector"):
        (folder / f"{name}.key").unlink()
    assert set(read_keys(folder, "cam0", NAMES).public) == set(NAMES)


def test_keys_are_never_overwritten(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ConfigError, match=r"keys: exists, want a new folder"):
        write_keys(folder, NAMES, make_key_pair)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_secret_does_not_show_when_it_is_printed(folder):
    ring = read_keys(folder, "cam0", NAMES)
    assert ring.own.secret not in f"{ring} {ring.own!r}"


DAMAGES = {
    "missing": (lambda f: (f / "cam0.key").unlink(), r"cam0\.key: No such file.*ddnn keys"),
    "too open": (lambda f: (f / "cam0.key").chmod(0o640), r"cam0\.key: mode 0640, .*want 0600"),
    "not JSON": (lambda f: (f / "cam0.key").write_text("hi"), r"cam0\.key: not JSON, want name"),
    "no object": (lambda f: (f / "cam0.key").write_text("[1]"), r"cam0\.key: not an object"),
    "no secret": (lambda f: change(f / "cam0.key", secret=None), r"cam0\.key: no secret, want"),
    "other's": (
        lambda f: change(f / "cam0.key", name="cloud"),
        r"the key of 'cloud', want.*'cam0'",
    ),
    "short": (lambda f: change(f / "cam0.key", secret="x" * 39), r"cam0\.key: secret: not a key"),
    "beyond 32 bits": (
        lambda f: change(f / "cam0.key", secret="#" * 40),
        r"cam0\.key: secret: not a key",
    ),
    "public beyond 32 bits": (
        lambda f: change(f / "public.json", cloud="#" * 40),
        r"public\.json: cloud: not a key",
    ),
    "no public": (lambda f: (f / "public.json").unlink(), r"public\.json: No such file"),
    "unknown": (lambda f: change(f / "public.json", cloud=None), r"public\.json: no key of cloud"),
    "changed": (
        lambda f: change(f / "public.json", cam0=make_key_pair().public),
        r"public\.json: cam0 has another key than in cam0\.key",
    ),
    "twice": (
        lambda f: change(f / "public.json", cloud=read_keys(f, "cam0", NAMES).own.public),
        r"public\.json: two names have one key",
    ),
    "writable": (lambda f: (f / "public.json").chmod(0o666), r"public\.json: mode 0666, others"),
    "open folder": (lambda f: f.chmod(0o777), r"keys: mode 0777, others could change"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_folder_is_refused_in_one_line_that_shows_no_key(folder, damage, message):
    secret = read_keys(folder, "cam0", NAMES).own.secret
    damage(folder)
    with pytest.raises(ConfigError, match=message) as caught:
        read_keys(folder, "cam0", NAMES)
    shown = str(caught.value) + str(caught.value.__cause__) + str(caught.value.__context__)
    assert "\n" not in str(caught.value)
    assert secret not in shown


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere: no such folder, want one made by `ddnn keys`"):
        read_keys(tmp_path / "nowhere", "cam0", NAMES)


def test_a_pair_that_does_not_belong_together_is_refused():
    one, other = make_key_pair(), make_key_pair()
    with pytest.raises(ConfigError, match=r"cam0\.key: public and secret do not belong"):
        check_pair("cam0", KeyPair(one.public, other.secret))
