"""The installed command sums up what the local cloud's jobs cost, and compares it with a bill."""

import csv
import io
import json
from pathlib import Path

from tests.e2e.conftest import Account, InstalledCommand


def test_spending_is_summed_listed_and_compared_with_a_bill(
    dropreel: InstalledCommand, account: Account, tmp_path: Path
) -> None:
    key = account.new_key()
    account.put(key, metadata={"mode": "hq"})
    job = account.ended(key)
    folder = key.rpartition("/")[0] + "/"

    document = dropreel.json("spend", "--days", "2")
    assert [each["charged_usd"] for each in document["folders"] if each["folder"] == folder] == [0.94]
    assert document["total"]["charged_usd"] >= 0.94
    assert document["total"]["difference_usd"] == 0

    table = dropreel.call("spend", "--local", "--days", "2", NO_COLOR="1")
    assert table.returncode == 0, table.stderr
    assert "DAY (UTC)" in table.stdout
    assert f"{folder} " in table.stdout

    lines = dropreel.call("spend", "--local", "--days", "2", "--csv").stdout
    rows = list(csv.DictReader(io.StringIO(lines)))
    mine = next(row for row in rows if row["job_id"] == job.job_id)
    assert (mine["generation_id"], mine["cost_usd"], mine["mode"]) == (job.generation_id, "0.94", "hq")

    charged = [row for row in rows if row["charge"] == "charged"]
    bill = tmp_path / "bill.csv"
    bill.write_text("".join(["Generation;Cost\n", *(f"{row['generation_id']};{row['cost_usd']}\n" for row in charged)]))
    same = dropreel.run("spend", "--local", "--days", "2", "--against", str(bill))
    assert same.returncode == 0, same.stdout + same.stderr
    assert "The bill and the jobs agree." in same.stdout

    bill.write_text(bill.read_text().replace(f"{job.generation_id};0.94", "other;0,94"))
    other = dropreel.call("spend", "--local", "--days", "2", "--against", str(bill), "--json")
    assert other.returncode == 1
    compared = json.loads(other.stdout)["bill"]
    assert [each["generation_id"] for each in compared["only_on_bill"]] == ["other"]
    assert [each["job_id"] for each in compared["only_here"]] == [job.job_id]

    bill.write_text("id,amount\nx,free\n")
    refused = dropreel.run("spend", "--local", "--against", str(bill))
    assert refused.returncode == 2
    assert "line 2: `free` is not an amount" in refused.stderr
