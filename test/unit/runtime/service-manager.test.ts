import { describe, expect, test } from "bun:test";
import { createServiceManager } from "../../../src/runtime/service-manager";

function createBench(environment: Readonly<Record<string, string>>, send?: () => never) {
  const sent: string[] = [];
  const complaints: string[] = [];
  const manager = createServiceManager({
    environment,
    complain: (reason) => complaints.push(reason),
    send: send ?? ((socket, text) => sent.push(`${socket} ${text}`)),
  });
  return { manager, sent, complaints };
}

describe("the service manager", () => {
  test("is told nothing where there is none", () => {
    const { manager, sent } = createBench({ WATCHDOG_USEC: "1000" });
    manager.ready("serving");
    manager.reloading();
    manager.stopping();
    expect(sent).toEqual([]);
  });

  test("hears of the start, of a reload and of the end", () => {
    const { manager, sent } = createBench({ NOTIFY_SOCKET: "/run/n" });
    manager.ready("listening on https://127.0.0.1:8443");
    manager.reloading();
    manager.ready("again");
    manager.stopping();
    expect(sent).toEqual([
      "/run/n READY=1\nSTATUS=listening on https://127.0.0.1:8443",
      "/run/n RELOADING=1",
      "/run/n READY=1\nSTATUS=again",
      "/run/n STOPPING=1",
    ]);
  });

  test("gets a status of one line, whatever is in it", () => {
    const { manager, sent } = createBench({ NOTIFY_SOCKET: "/run/n" });
    manager.ready("sealed\nMAINPID=1\r\nX");
    expect(sent).toEqual(["/run/n READY=1\nSTATUS=sealed MAINPID=1 X"]);
  });

  test("that does not hear is complained of once, and not tried again", () => {
    let tries = 0;
    const { manager, complaints } = createBench({ NOTIFY_SOCKET: "/run/n", WATCHDOG_USEC: "1000" }, () => {
      tries += 1;
      throw new Error("nobody listens");
    });
    manager.ready("serving");
    manager.stopping();
    expect(tries).toBe(1);
    expect(complaints).toEqual(["the service manager at /run/n does not hear: nobody listens"]);
  });

  test.each(["relative", `/${"x".repeat(108)}`, "/nowhere/at/all"])("cannot be reached by the name %p, which is no defect", (name) => {
    const complaints: string[] = [];
    const manager = createServiceManager({ environment: { NOTIFY_SOCKET: name }, complain: (reason) => complaints.push(reason) });
    manager.ready("serving");
    expect(complaints).toHaveLength(1);
  });
});
