"""The broker made of files: nothing lost, nothing twice, in order, and no reader dies of what it finds."""

from __future__ import annotations

import multiprocessing
import os
import stat
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection
from kombu.simple import SimpleQueue

from vi_portal import broker

broker.register()


def connect(folder: Path) -> Connection:
    return Connection(
        "files://",
        transport_options={
            "data_folder_in": str(folder / "messages"),
            "data_folder_out": str(folder / "messages"),
            "control_folder": str(folder / "control"),
            "polling_interval": 0.001,
        },
    )


@pytest.fixture
def queue(tmp_path: Path) -> SimpleQueue:
    return connect(tmp_path).SimpleQueue("bells")


def take(queue: SimpleQueue) -> object:
    message = queue.get(timeout=5)
    message.ack()
    return message.payload


def messages(folder: Path) -> list[Path]:
    return sorted((folder / "messages").glob("*.msg"))


def test_messages_arrive_in_the_order_they_were_sent(queue: SimpleQueue) -> None:
    for number in range(200):
        queue.put(number)

    assert [take(queue) for _ in range(200)] == list(range(200))


def test_queues_do_not_mix(tmp_path: Path) -> None:
    connection = connect(tmp_path)
    ours, other = connection.SimpleQueue("bells"), connection.SimpleQueue("other.bells")
    other.put("theirs")
    ours.put("ours")

    assert take(ours) == "ours"
    with pytest.raises(Empty):
        ours.get(block=False)
    assert take(other) == "theirs"


def test_only_the_owner_may_look_into_the_folders(queue: SimpleQueue, tmp_path: Path) -> None:
    queue.put("secret")

    for folder in ("messages", "control"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b'{"body": "W1',
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"body": "W", "properties": {"delivery_tag": "1", "delivery_info": {}, "body_encoding": "base64"}}',
    ],
)
def test_what_is_not_a_message_is_dropped_and_told(
    queue: SimpleQueue, tmp_path: Path, caplog: pytest.LogCaptureFixture, junk: bytes
) -> None:
    queue.put("good")
    name = "00000000000000000001_junk.bells.msg"
    (tmp_path / "messages" / name).write_bytes(junk)

    assert take(queue) == "good"
    assert name in caplog.text
    assert list((tmp_path / "messages").iterdir()) == []


def test_a_message_half_written_is_left_alone(queue: SimpleQueue, tmp_path: Path) -> None:
    queue.put("whole")
    half = tmp_path / "messages" / ".00000000000000000001_half.bells.msg"
    half.write_text("{")

    assert take(queue) == "whole"
    assert half.exists()


def test_what_the_dead_left_is_removed_in_the_end(queue: SimpleQueue, tmp_path: Path) -> None:
    leftover = tmp_path / "messages" / ".1_left.bells.msg"
    leftover.write_text("{")
    long_ago = time.time() - broker.LEFTOVER_SECONDS - 1
    os.utime(leftover, (long_ago, long_ago))

    with connect(tmp_path).channel():
        assert not leftover.exists()


def test_removed_folders_are_made_anew(queue: SimpleQueue, tmp_path: Path) -> None:
    queue.put("lost")
    for path in messages(tmp_path):
        path.unlink()
    (tmp_path / "messages").rmdir()
    with pytest.raises(Empty):
        queue.get(block=False)

    queue.put("kept")

    assert take(queue) == "kept"


def test_a_broken_table_of_queues_is_made_anew(tmp_path: Path) -> None:
    connect(tmp_path).SimpleQueue("bells").put("first")
    [table] = (tmp_path / "control").glob("*.exchange")
    table.write_text("[[")

    queue = connect(tmp_path).SimpleQueue("bells")
    queue.put("second")

    assert [take(queue), take(queue)] == ["first", "second"]
    assert "bells" in table.read_text()


def _consume(folder: Path, over: Event, taken: multiprocessing.Queue[int | str]) -> None:
    try:
        queue = connect(folder).SimpleQueue("bells")
        while True:
            try:
                message = queue.get(timeout=0.05)
            except Empty:
                if over.is_set():
                    return
                continue
            taken.put(message.payload)
            message.ack()
    except Exception as error:
        taken.put(f"A reader died: {error!r}")
    finally:
        taken.put("over")


def test_two_readers_racing_with_two_writers_lose_nothing_and_get_nothing_twice(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("fork")
    over, taken = spawn.Event(), spawn.Queue()
    readers = [spawn.Process(target=_consume, args=(tmp_path, over, taken)) for _ in range(2)]
    writers = [spawn.Process(target=_publish, args=(tmp_path, range(start, start + 400))) for start in (0, 400)]
    for process in (*readers, *writers):
        process.start()
    for writer in writers:
        writer.join(timeout=20)
    over.set()
    received: list[int | str] = []
    while received.count("over") < 2:
        received.append(taken.get(timeout=20))
    for reader in readers:
        reader.join(timeout=20)

    numbers = [item for item in received if item != "over"]
    assert sorted(numbers, key=str) == sorted(range(800), key=str)
    assert list((tmp_path / "messages").iterdir()) == []


def _publish(folder: Path, numbers: range) -> None:
    queue = connect(folder).SimpleQueue("bells")
    for number in numbers:
        queue.put(number)
