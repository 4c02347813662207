// Asks what programs ask of @clickhouse/client, and prints a line "what, tab, found" for each question.
//
// Arguments: the door's port, and "compressed" for compressed answers. The token is in ROLLCALL_TOKEN,
// and in ROLLCALL_WRONG_TOKEN one to be refused, if that is to be asked.
const { createClient } = require("@clickhouse/client");

const [port, compressed] = process.argv.slice(2);

function connect(password) {
  return createClient({
    url: `http://127.0.0.1:${port}`,
    username: "dashboards",
    password,
    database: "default",
    request_timeout: 30_000,
    compression: { response: compressed === "compressed" },
  });
}

async function rows(client, query, more = {}) {
  const answer = await client.query({ query, format: "JSONEachRow", ...more });
  return answer.json();
}

async function tell(what, question) {
  let found;
  try {
    found = await question();
  } catch (error) {
    found = `error ${error.code ?? error.message}`;
    console.error(`${what}: ${error.message}`);
  }
  console.log(`${what}\t${typeof found === "string" ? found : JSON.stringify(found)}`);
}

async function main() {
  const client = connect(process.env.ROLLCALL_TOKEN);
  await tell("ping", async () => (await client.ping({ select: true })).success);
  await tell("tables", async () => (await rows(client, "SHOW TABLES")).map((row) => row.name).includes("activity"));
  await tell("row", async () =>
    rows(client, "/* a comment first */ SELECT toDate('2026-11-18') AS day, 'Zoë' AS name, 42 AS n, NULL AS none"),
  );
  await tell("parameters", async () => {
    const query = "SELECT count() > 0 AS some FROM activity WHERE site = {site:String} AND family IN {families:Array(String)}";
    const query_params = { site: "acme", families: ["comment", "it's no family"] };
    return (await rows(client, query, { query_params }))[0].some;
  });
  await tell("settings", async () => {
    const clickhouse_settings = { output_format_json_quote_64bit_integers: 1, max_result_rows: "10", result_overflow_mode: "break" };
    return (await rows(client, "SELECT toUInt64(1) AS n", { clickhouse_settings }))[0].n;
  });
  await tell("a million rows", async () => {
    const answer = await client.query({ query: "SELECT number FROM numbers(1000000)", format: "JSONCompactEachRow" });
    let sum = 0;
    for await (const some of answer.stream()) {
      for (const row of some) sum += Number(row.json()[0]);
    }
    return sum;
  });
  await tell("query id", async () => {
    const answer = await client.query({ query: "SELECT 1", format: "TabSeparated", query_id: "by-node" });
    const text = await answer.text();
    return `${text.trim()} ${answer.query_id} ${answer.response_headers["x-clickhouse-format"]}`;
  });
  await tell("session", async () => rows(client, "SELECT 1 AS n", { session_id: "mine" }));
  await tell("abort", async () => {
    const aborting = new AbortController();
    setTimeout(() => aborting.abort(), 500);
    const query = "SELECT count() FROM numbers(1900000000) WHERE sipHash64(toString(number)) = 1";
    return rows(client, query, { abort_signal: aborting.signal });
  });
  await tell("no such table", async () => rows(client, "SELECT * FROM nowhere"));
  await tell("command", async () => client.command({ query: "CREATE TABLE x (a Int8) ENGINE = Memory" }));
  await tell("insert", async () => client.insert({ table: "activity", values: [{ site: "x" }], format: "JSONEachRow" }));
  await client.close();
  if (process.env.ROLLCALL_WRONG_TOKEN) {
    const stranger = connect(process.env.ROLLCALL_WRONG_TOKEN);
    await tell("wrong password", async () => rows(stranger, "SELECT 1"));
    await stranger.close();
  }
}

main();
