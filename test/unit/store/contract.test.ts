import { createMemoryStore } from "../../../src/store/memory";
import { storeContract } from "../../contract/store";
import { memoryKeyring, movableClock, removeFoldersAfterwards, storeOnDisk } from "./fixture";

removeFoldersAfterwards();
storeContract("libSQL", async () => (await storeOnDisk()).open());
storeContract("memory", async () => createMemoryStore({ keyring: await memoryKeyring(), clock: movableClock() }));
