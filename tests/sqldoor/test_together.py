"""Many readers at once, and readers beside the writer."""

from concurrent.futures import ThreadPoolExecutor

import clickhouse_connect

from ..facts import fact, write
from .house import DAYS, Door, House


def test_twenty_clients_at_once(door: Door) -> None:
    def read(n: int) -> list[tuple[int, ...]]:
        with clickhouse_connect.get_client(host="127.0.0.1", port=door.port) as client:
            sql = "SELECT {n:UInt32}, count() FROM user_days WHERE account_id = 'anna' AND day < '2026-06-01'"
            return [tuple(client.query(sql, parameters={"n": n}).result_rows[0]) for _ in range(3)]

    with ThreadPoolExecutor(20) as clients:
        assert list(clients.map(read, range(20))) == [[(n, DAYS)] * 3 for n in range(20)]


def test_settings_of_one_query_do_not_reach_another(door: Door) -> None:
    sql = "SELECT toInt64(1) AS a FORMAT JSONEachRow"

    def read(n: int) -> str:
        return door.text(sql, output_format_json_quote_64bit_integers=str(n % 2))

    with ThreadPoolExecutor(4) as clients:
        assert list(clients.map(read, range(40))) == ['{"a":1}\n', '{"a":"1"}\n'] * 20


def test_reading_goes_on_while_facts_are_written(house: House, door: Door) -> None:
    def count() -> int:
        return int(door.text("SELECT count() FROM user_days WHERE account_id = 'carla'"))

    seen = [count()]
    with ThreadPoolExecutor(1) as readers:
        for day in range(1, 21):
            reading = readers.submit(count)
            carla = fact(f"history:{day}", f"2026-07-{day:02}T12:00:00", account_id="carla")
            house.run(write(house.warehouse, carla))
            seen += [reading.result(), count()]
            assert seen[-1] == day
    assert seen == sorted(seen)
