"""Secrets at rest: what is sealed opens only where it belongs, and a master key is neither shared, shown nor made twice."""

from __future__ import annotations

import base64
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from iamledger.sealing import (
    DataKey,
    MasterKey,
    MasterKeyError,
    make_master_key_file,
    master_key_from_file,
    master_key_from_text,
)

ACCOUNT, OTHER_ACCOUNT = "123456789012", "210987654321"
KEY_ID, KIND = "AKIAIOSFODNN7EXAMPLE", "secret-access-key"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
KEY = bytes(range(32))
MASTER = MasterKey(KEY)
TEXT = base64.b64encode(KEY).decode()


@pytest.fixture
def data_key() -> DataKey:
    return DataKey(ACCOUNT, b"\x07" * 32)


class TestSecrets:
    def test_what_was_sealed_is_opened(self, data_key: DataKey) -> None:
        assert data_key.open(KEY_ID, KIND, data_key.seal(KEY_ID, KIND, SECRET)) == SECRET

    def test_the_same_secret_is_sealed_differently_each_time(self, data_key: DataKey) -> None:
        sealed = {data_key.seal(KEY_ID, KIND, SECRET) for _ in range(100)}
        assert len({one[:12] for one in sealed}) == 100
        assert not any(SECRET.encode() in one for one in sealed)

    def test_it_is_as_long_as_nonce_secret_and_tag(self, data_key: DataKey) -> None:
        assert len(data_key.seal(KEY_ID, KIND, SECRET)) == 12 + 40 + 16

    @pytest.mark.parametrize(
        ("account", "credential", "kind"),
        [(OTHER_ACCOUNT, KEY_ID, KIND), (ACCOUNT, KEY_ID[:-1] + "X", KIND), (ACCOUNT, KEY_ID, "password")],
    )
    def test_a_row_in_the_place_of_another_is_refused(
        self, data_key: DataKey, account: str, credential: str, kind: str
    ) -> None:
        sealed = data_key.seal(KEY_ID, KIND, SECRET)
        with pytest.raises(MasterKeyError) as refused:
            DataKey(account, data_key.key).open(credential, kind, sealed)
        assert str(refused.value) == (
            f"What is sealed for {account} {credential} {kind} cannot be opened: it was changed or swapped."
        )

    def test_the_parts_that_it_is_bound_to_do_not_run_together(self) -> None:
        sealed = DataKey("1", KEY).seal("23", "4", SECRET)
        for account, credential, kind in (("12", "3", "4"), ("1", "2", "34"), ("", "123", "4")):
            with pytest.raises(MasterKeyError):
                DataKey(account, KEY).open(credential, kind, sealed)

    def test_every_changed_bit_is_noticed(self, data_key: DataKey) -> None:
        sealed = data_key.seal(KEY_ID, KIND, SECRET)
        for place in range(len(sealed)):
            with pytest.raises(MasterKeyError):
                data_key.open(KEY_ID, KIND, sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :])

    @pytest.mark.parametrize("length", [0, 1, 7, 8, 11, 12, 20, 27, 67])
    def test_one_that_was_cut_off_is_refused(self, data_key: DataKey, length: int) -> None:
        with pytest.raises(MasterKeyError, match="changed or swapped"):
            data_key.open(KEY_ID, KIND, data_key.seal(KEY_ID, KIND, SECRET)[:length])

    def test_another_data_key_does_not_open_it(self, data_key: DataKey) -> None:
        with pytest.raises(MasterKeyError):
            DataKey(ACCOUNT, b"\x08" * 32).open(KEY_ID, KIND, data_key.seal(KEY_ID, KIND, SECRET))


class TestMasterKey:
    def test_a_data_key_is_unwrapped(self) -> None:
        data_key, wrapped = MASTER.new_data_key(ACCOUNT)
        assert MasterKey(KEY).unwrap(ACCOUNT, MASTER.id, wrapped) == data_key
        assert data_key.account_id == ACCOUNT
        assert len(data_key.key) == 32
        assert data_key.key not in wrapped

    def test_data_keys_differ(self) -> None:
        assert len({MASTER.new_data_key(ACCOUNT)[0].key for _ in range(50)}) == 50

    def test_the_data_key_of_another_account_is_refused(self) -> None:
        _, wrapped = MASTER.new_data_key(ACCOUNT)
        with pytest.raises(MasterKeyError, match=f"What is sealed for {OTHER_ACCOUNT} data-key cannot be opened"):
            MASTER.unwrap(OTHER_ACCOUNT, MASTER.id, wrapped)

    def test_a_sealed_secret_is_no_data_key(self) -> None:
        sealed = DataKey(ACCOUNT, KEY).seal(KEY_ID, KIND, "x" * 32)
        with pytest.raises(MasterKeyError):
            MASTER.unwrap(ACCOUNT, MASTER.id, sealed)

    def test_the_wrong_master_key_is_told_by_both_ids(self) -> None:
        wrong = MasterKey(bytes(32))
        _, wrapped = MASTER.new_data_key(ACCOUNT)
        with pytest.raises(MasterKeyError) as refused:
            wrong.unwrap(ACCOUNT, MASTER.id, wrapped)
        assert str(refused.value) == (
            f"The secrets of account {ACCOUNT} were sealed under the master key {MASTER.id}, but the one configured is"
            f" {wrong.id}. Set IAMLEDGER_MASTER_KEY or IAMLEDGER_MASTER_KEY_FILE to the former."
        )

    def test_an_id_names_the_key_without_telling_it(self) -> None:
        assert MASTER.id == "c806b34d002fe4fd"  # stands in databases: it must never be computed otherwise
        assert MASTER.id != MasterKey(bytes(32)).id
        assert MASTER.id not in (KEY.hex()[:16], sha256(KEY).hexdigest()[:16])

    def test_no_key_is_shown(self) -> None:
        data_key, _ = MASTER.new_data_key(ACCOUNT)
        for shown in (repr(MASTER), str(MASTER), f"{MASTER}", repr([MASTER])):
            assert shown.strip("[]") == "MasterKey()"
        for shown in (repr(data_key), str(data_key), f"{data_key}"):
            assert shown == f"DataKey(account_id='{ACCOUNT}')"


class TestText:
    @pytest.mark.parametrize("text", [TEXT, f"{TEXT}\n", f"  {TEXT}\r\n"])
    def test_32_bytes_in_base64_are_read(self, text: str) -> None:
        assert master_key_from_text(text, "IAMLEDGER_MASTER_KEY") == MASTER

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "\n",
            "hunter2hunter2",
            TEXT[:-1],
            TEXT[:-4],
            TEXT + TEXT,
            f"{TEXT[:20]}\n{TEXT[20:]}",
            f"{TEXT[:20]} {TEXT[20:]}",
            KEY.hex(),
            base64.b64encode(KEY[:-1]).decode(),
            base64.b64encode(KEY + b"\0").decode(),
            base64.urlsafe_b64encode(b"\xfb" * 32).decode(),
            "ключ" * 11,
            "\ud800" * 44,
            "\0" * 44,
        ],
    )
    def test_anything_else_is_refused_and_not_repeated(self, text: str) -> None:
        with pytest.raises(MasterKeyError) as refused:
            master_key_from_text(text, "IAMLEDGER_MASTER_KEY")
        assert str(refused.value) == (
            "IAMLEDGER_MASTER_KEY must hold 32 random bytes in base64. Make some: openssl rand -base64 32"
        )
        assert refused.value.__cause__ is None
        assert refused.value.__context__ is None


class TestFile:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        file = tmp_path / "master.key"
        file.write_text(TEXT + "\n")
        file.chmod(0o600)
        return file

    @pytest.mark.parametrize("mode", [0o600, 0o400])
    def test_a_file_of_ones_own_is_read(self, file: Path, mode: int) -> None:
        file.chmod(mode)
        assert master_key_from_file(file) == MASTER

    @pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o620, 0o602, 0o610, 0o601, 0o666, 0o777])
    def test_one_that_is_open_to_others_is_refused(self, file: Path, mode: int) -> None:
        file.chmod(mode)
        with pytest.raises(MasterKeyError) as refused:
            master_key_from_file(file)
        assert str(refused.value) == f"The master key file {file} can be read by others. Run: chmod 600 {file}"

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
    def test_one_that_belongs_to_another_user_is_refused(self, file: Path) -> None:
        os.chown(file, 12345, -1)
        with pytest.raises(MasterKeyError, match="belongs to another user"):
            master_key_from_file(file)

    def test_one_that_is_missing_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(MasterKeyError, match=r"The master key file .*/none cannot be read: .*No such file"):
            master_key_from_file(tmp_path / "none")

    def test_a_directory_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(MasterKeyError, match="Is a directory"):
            master_key_from_file(tmp_path)

    @pytest.mark.parametrize("content", [b"", b"hunter2", TEXT[:-2].encode(), KEY, b"\xff\xfe" * 22, b"A" * 100_000])
    def test_malformed_content_is_refused_and_not_repeated(self, file: Path, content: bytes) -> None:
        file.write_bytes(content)
        with pytest.raises(MasterKeyError) as refused:
            master_key_from_file(file)
        assert str(refused.value) == (
            f"The master key file {file} must hold 32 random bytes in base64. Make some: openssl rand -base64 32"
        )


class TestMaking:
    def test_a_new_file_holds_a_new_key_that_only_its_owner_reads(self, tmp_path: Path) -> None:
        first, second = tmp_path / "a" / "b" / "master.key", tmp_path / "second.key"
        previous = os.umask(0)
        try:
            make_master_key_file(first)
        finally:
            os.umask(previous)
        make_master_key_file(second)
        assert stat.S_IMODE(first.stat().st_mode) == 0o600
        assert master_key_from_file(first) != master_key_from_file(second)
        assert [path.name for path in first.parent.iterdir()] == ["master.key"]

    def test_a_key_that_is_there_is_kept(self, tmp_path: Path) -> None:
        file = tmp_path / "master.key"
        make_master_key_file(file)
        before = file.read_bytes()
        make_master_key_file(file)
        assert file.read_bytes() == before
        assert list(tmp_path.iterdir()) == [file]

    def test_what_a_process_that_died_left_behind_is_in_nobodys_way(self, tmp_path: Path) -> None:
        """In a container the next process often has the same number."""
        (tmp_path / f"master.key.{os.getpid()}").write_text("half of o")
        make_master_key_file(tmp_path / "master.key")
        master_key_from_file(tmp_path / "master.key")

    def test_many_at_once_agree_on_one_key(self, tmp_path: Path) -> None:
        for round_ in range(10):
            file = tmp_path / f"{round_}" / "master.key"
            together = threading.Barrier(8)

            def make(file: Path = file, together: threading.Barrier = together) -> str:
                together.wait()
                make_master_key_file(file)
                return master_key_from_file(file).id

            with ThreadPoolExecutor(8) as threads:
                ids = [future.result() for future in [threads.submit(make) for _ in range(8)]]
            assert len(set(ids)) == 1
            assert [path.name for path in file.parent.iterdir()] == ["master.key"]
