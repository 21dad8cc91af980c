/** For tests of refusals. */

import { type Failure, PosternError } from "../../src/model/failures";

/** The failure that the work ends with. Throws when it ends well, or with an error that nobody threw on purpose. */
export async function failureOfWork(work: Promise<unknown>): Promise<Failure> {
  try {
    await work;
  } catch (error) {
    if (error instanceof PosternError) return error.failure;
    throw error;
  }
  throw new Error("it did not fail");
}
