/** Whether this machine can run the database engine at all: for the operator's self-test, on a database of its own. */

import { join } from "node:path";
import { createClient } from "@libsql/client/sqlite3";
import { PosternError } from "../model/failures";

/**
 * Makes `self-test.db` in `folder`, writes one row as durably as the store writes, reads it back, and gives SQLite's version. Leaves the file behind: the folder
 * is the caller's. Throws `internal` when the engine cannot be loaded, or answers something else.
 */
export async function checkEngine(folder: string): Promise<string> {
  const value = new Uint8Array([0, 1, 0xfe, 0xff]);
  const client = createClient({ url: `file:${join(folder, "self-test.db")}`, concurrency: 1 });
  try {
    await client.execute("PRAGMA journal_mode=WAL");
    await client.execute("PRAGMA synchronous=FULL");
    await client.execute("CREATE TABLE IF NOT EXISTS self_test (value BLOB NOT NULL) STRICT");
    await client.execute({ sql: "INSERT INTO self_test VALUES (?)", args: [value] });
    const { rows } = await client.execute("SELECT sqlite_version() AS version, value FROM self_test ORDER BY rowid DESC LIMIT 1");
    const read = rows[0]?.value;
    if (!(read instanceof ArrayBuffer) || Buffer.compare(new Uint8Array(read), value) !== 0) {
      throw new PosternError({ code: "internal", what: "the database engine gave back another value than was written" });
    }
    return String(rows[0]?.version);
  } finally {
    client.close();
  }
}
