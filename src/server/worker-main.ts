/** The entry file of a worker thread. What it may run is the table; nothing in it reaches the store. */

import { serveTasks } from "../runtime/workers";
import { workerTasks } from "./worker-tasks";

serveTasks(workerTasks);
