/** Where uploads go, and how soon a lost connection is tried again. */

export const ENDPOINT = "/api/v1/uploads";
export const RETRIES_MS = [0, 500, 1000, 3000, 5000];
